import { type DatabaseFacts, OLDEST_VERSION } from '../read/database-facts.js';
import { type ServicePlan } from '../plan.js';
import { type Survey } from '../survey.js';
import { type Check } from './check.js';

const GRANT_ADVANCE = 'GRANT EXECUTE ON FUNCTION pg_replication_origin_advance(text, pg_lsn) TO that role';

type Found = Parameters<Check>[1];

/** Subscriptions with `origin = none`, without which two opposite streams would feed each other. */
const ORIGIN_NONE_VERSION = 160_000;

/** What a move takes while it goes on, on the side that changes come from: the stream's slot, and that of the change log. */
const PUBLISHER = { slots: 2, senders: 1 };
/** And on the side that they go to. A second apply worker may start before the first has ended. */
const SUBSCRIBER = { origins: 1, workers: 2 };

const SETTING_OF = {
  slots: 'max_replication_slots',
  senders: 'max_wal_senders',
  origins: 'max_active_replication_origins',
  workers: 'max_logical_replication_workers',
} as const;
type Resource = keyof typeof SETTING_OF;

interface Server {
  /** For people: `the source's server`. */
  name: string;
  facts: DatabaseFacts;
  /** Services by replication whose source, or whose target, is on it. */
  asSource: ServicePlan[];
  asTarget: ServicePlan[];
  all: ServicePlan[];
}

/** Versions, settings and rights that the plan's strategies need. At a switch, both directions are there for a moment. */
export const checkServers: Check = (survey, found) => {
  for (const server of serversOf(survey)) {
    if (!checkVersion(server, found)) continue;
    checkReplicaRole(server, found);
    if (server.asSource.length + server.asTarget.length === 0) continue;
    checkReplication(server, found);
    checkRoom(survey, server, found);
  }
};

function serversOf(survey: Survey): Server[] {
  const servers = new Map<string, Server>();
  const at = (facts: DatabaseFacts, url: string, name: string): Server => {
    const key = facts.cluster ?? new URL(url).host;
    const server = servers.get(key) ?? { name, facts, asSource: [], asTarget: [], all: [] };
    servers.set(key, server);
    return server;
  };
  const source = at(survey.sourceFacts, survey.plan.source, "the source's server");
  source.all.push(...survey.services);
  source.asSource.push(...survey.services.filter(({ strategy }) => strategy === 'replication'));
  for (const service of survey.services) {
    const facts = survey.targets.get(service.name)?.facts;
    if (!facts) continue;
    const server = at(facts, service.target, `the server of ${service.name}'s target`);
    if (!server.all.includes(service)) server.all.push(service);
    if (service.strategy === 'replication') server.asTarget.push(service);
  }
  return [...servers.values()];
}

function checkVersion({ name, facts, asSource, asTarget }: Server, found: Found): boolean {
  const replicated = asSource.length + asTarget.length > 0;
  if (facts.versionNumber >= (replicated ? ORIGIN_NONE_VERSION : OLDEST_VERSION)) return true;
  const old = facts.versionNumber < OLDEST_VERSION;
  found.problem({
    code: 'server_version',
    place: name,
    message: old
      ? `${capital(name)} is PostgreSQL ${facts.version}; the oldest that can take part is 15.`
      : `${capital(name)} is PostgreSQL ${facts.version}; the strategy replication needs 16, where subscriptions can leave out what came from elsewhere (origin = none).`,
    next: old ? 'Upgrade it.' : 'Upgrade it, or take `strategy: dual-write`, for which 15 will do.',
  });
  return !old;
}

function checkReplicaRole({ name, facts }: Server, found: Found): void {
  if (facts.rights.replicaRole) return;
  found.problem({
    code: 'server_right',
    place: name,
    message: `The administrator of ${name} may not set session_replication_role: it could not write past the fence, and copying would fire triggers.`,
    next: 'GRANT SET ON PARAMETER session_replication_role TO that role, or connect as a superuser.',
  });
}

function checkReplication({ name, facts }: Server, found: Found): void {
  const { settings, rights } = facts;
  const setting = (message: string, next: string, warn = false): void =>
    found[warn ? 'warn' : 'problem']({ code: 'server_setting', place: name, message, next });
  if (settings.walLevel !== 'logical')
    setting(
      `wal_level of ${name} is ${settings.walLevel}; the strategy replication needs logical, on both sides: the way back is a stream, too.`,
      "ALTER SYSTEM SET wal_level = 'logical' and restart it, or take `strategy: dual-write`.",
    );
  if (settings.slotWalKeepSize !== '-1')
    setting(
      `max_slot_wal_keep_size of ${name} is ${settings.slotWalKeepSize}: a stream that falls behind by more is lost, and the copy begins anew.`,
      'Set it to -1 for the time of the move; the plan has a limit of its own (`copy.max_retained_wal`).',
      true,
    );
  if (!/^0\D*$/.test(settings.idleSlotTimeout))
    setting(
      `idle_replication_slot_timeout of ${name} is ${settings.idleSlotTimeout}: a stream that rests for longer is lost.`,
      'Set it to 0 for the time of the move.',
      true,
    );
  const missing = [
    ...(rights.superuser || rights.replication ? [] : ['REPLICATION']),
    ...(rights.superuser || rights.subscribe ? [] : ['membership in pg_create_subscription']),
  ];
  if (missing.length > 0)
    found.warn({
      code: 'server_right',
      place: name,
      message: `The administrator of ${name} has no ${missing.join(', and no ')}, which streams are made with.`,
      next: "Give it that, or what the server's provider has in its place.",
    });
  if (!rights.superuser && !rights.advance)
    found.warn({
      code: 'server_right',
      place: name,
      message: `The administrator of ${name} may not execute pg_replication_origin_advance there, which says from where a stream goes on.`,
      next: `As a superuser: ${GRANT_ADVANCE}, in each of the plan's databases of that server, or in template1 before they are made.`,
    });
}

function checkRoom(survey: Survey, server: Server, found: Found): void {
  const { name, facts } = server;
  const demands = server.all
    .map((service) => demandOf(survey, server, service))
    .filter(({ slots, workers }) => slots + workers > 0);
  for (const resource of Object.keys(SETTING_OF) as Resource[]) {
    const wanted = demands.map((demand) => demand[resource]);
    const [one, all] = [Math.max(0, ...wanted), wanted.reduce((sum, each) => sum + each, 0)];
    const used = facts.inUse[resource];
    const free = facts.settings[resource] - used;
    if (free >= all) continue;
    const enough = free >= one;
    found[enough ? 'warn' : 'problem']({
      code: 'server_setting',
      place: name,
      message: `${SETTING_OF[resource]} of ${name} leaves ${Math.max(free, 0)} free; ${
        enough
          ? `that is room for ${Math.floor(free / one)} of ${demands.length} services before one of them is completed, at ${one} each`
          : `a move needs ${one}`
      }.`,
      next: enough
        ? `Complete one service before the next, or set it to ${used + all} and restart.`
        : `Set it to ${used + all}, at the least ${used + one}, and restart.`,
    });
  }
}

/** What the rest of a move takes on a server beside what it has taken: what moves already has the stream there, not yet the one back. */
function demandOf(survey: Survey, { asSource, asTarget }: Server, service: ServicePlan): Record<Resource, number> {
  const phase = survey.targets.get(service.name)?.state?.phase;
  const [there, back] = [phase === undefined || phase === 'created', phase !== 'switched'].map(Number) as [
    number,
    number,
  ];
  const [from, to] = [asSource, asTarget].map((services) => Number(services.includes(service))) as [number, number];
  const publishes = from * there + to * back;
  const subscribes = to * there + from * back;
  return {
    slots: PUBLISHER.slots * publishes,
    senders: PUBLISHER.senders * publishes,
    origins: SUBSCRIBER.origins * subscribes,
    workers: SUBSCRIBER.workers * subscribes,
  };
}

function capital(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1);
}
