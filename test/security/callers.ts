import { writeFile } from 'node:fs/promises';
import { SERVICES, type ServiceName } from '#contracts';
import { agentToken, serviceToken } from '#testing';
import { type Caller } from './access-rules.js';
import { AGENT, nameOf, RIGHTS, type Row } from './access-table.js';

const TENANT = 'first';
export const OTHER_TENANT = 'second';
export const ALL_RIGHTS = 'all-rights';

/** A policy with, for each right, a group that has it and nothing else, and a group that has all of them but this one. */
export async function writePolicy(path: string): Promise<void> {
  const groups = RIGHTS.flatMap((right, i) => [
    [`only-${i}`, { permissions: [right] }],
    [`all-but-${i}`, { permissions: RIGHTS.filter((other) => other !== right) }],
  ]);
  const all = [ALL_RIGHTS, { permissions: RIGHTS }];
  // JSON is YAML.
  await writeFile(path, JSON.stringify({ groups: Object.fromEntries([...groups, all]) as object }));
}

/** The token that a caller shows in this row; undefined for none. */
export async function tokenOf(caller: Caller, row: Row): Promise<string | undefined> {
  const { service, rule } = row;
  const needed = 'right' in rule && rule.right ? nameOf(rule.right) : undefined;
  const i = RIGHTS.findIndex((right) => nameOf(right) === needed);
  const having = i === -1 ? [] : [`only-${i}`];
  const from = another(service);
  switch (caller) {
    case 'no token':
      return undefined;
    case 'garbage token':
      return 'eyJhbGciOiJIUzI1NiJ9.e30.garbage';
    case 'expired agent token':
      return agentToken(AGENT, { groups: having, tenant: TENANT, ttl: -120 });
    case 'agent without the right':
      return agentToken(AGENT, { groups: i === -1 ? [] : [`all-but-${i}`], tenant: TENANT });
    case 'agent with the right':
      return agentToken(AGENT, { groups: having, tenant: TENANT });
    case 'agent of another tenant':
      return agentToken(AGENT, { groups: having, tenant: OTHER_TENANT });
    case 'service token of the wrong audience':
      return serviceToken(from, another(service, from));
    case 'replayed service token':
    case 'service token':
      return serviceToken(from, service);
  }
}

function another(...not: ServiceName[]): ServiceName {
  return SERVICES.find((name) => !not.includes(name))!;
}
