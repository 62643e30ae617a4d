import { planSchema, type Plan } from '#decomposition';
import { type Monolith } from '../monolith.js';

/** Gravitas' own plan, on the databases of a test: as plans/gravitas.yaml. */
export function planOf(monolith: Monolith): Plan {
  const login = ({ name }: { name: string }, bypassRls = false): object => ({
    name,
    password_env: 'UNUSED',
    bypass_rls: bypassRls,
  });
  const { services, ...rest } = planSchema.parse({
    name: 'gravitas',
    source: monolith.url,
    stay: Object.keys(monolith.services).map((name) => `${name}_migrations`),
    services: Object.fromEntries(
      Object.values(monolith.services).map(({ name, tables, owner, runtime, further, targetUrl }) => [
        name,
        {
          target: targetUrl,
          schema: 'migrations',
          owner: login(owner),
          runtime: login(runtime, name === 'gatekeeper'),
          further: further.map((one) => login(one, one.bypassRls)),
          tables: [...tables],
          ...(name === 'gatekeeper' && {
            takeover: { call: 'audit_count_on', replaces: ['audit_xid_base'] },
            chains: [{ kind: 'runs', table: 'tlog_leaves', first: 'first', items: 'ids', partition: 'tenant_id' }],
          }),
        },
      ]),
    ),
  });
  return { ...rest, services: Object.entries(services).map(([name, service]) => ({ name, ...service })) };
}
