/** A right as the policy file writes it. */
export interface Right {
  action: string;
  resource: string;
}

/** Who may ask. */
export type Rule =
  /** Anybody. */
  | { kind: 'public' }
  /** Any agent and any service. */
  | { kind: 'authenticated' }
  /** Services only. */
  | { kind: 'service' }
  /** Agents that have this right, and services. `ofTenant`: the path names a tenant, whose agents alone are meant. */
  | { kind: 'right'; right: Right; ofTenant?: true }
  /** Agents, with this right if one is named. What a service is answered: 401 where its token is taken for an agent's, or 403. */
  | { kind: 'agent'; right?: Right; service: 401 | 403 };

/** Who asks, of which each has a cell in each row. */
export const CALLERS = [
  'no token',
  'garbage token',
  'expired agent token',
  'agent without the right',
  'agent with the right',
  'agent of another tenant',
  'service token of the wrong audience',
  'replayed service token',
  'service token',
] as const;
export type Caller = (typeof CALLERS)[number];

/** `in`: past authorization, whatever comes then (but no 5xx). */
export type Outcome = 'in' | 401 | 403;

/** What every caller is to be answered under a rule. */
export function expected(rule: Rule): Record<Caller, Outcome> {
  const nobody = {
    'no token': 401,
    'garbage token': 401,
    'expired agent token': 401,
    'service token of the wrong audience': 401,
    'replayed service token': 401,
  } as const;
  switch (rule.kind) {
    case 'public':
      return Object.fromEntries(CALLERS.map((caller) => [caller, 'in'])) as Record<Caller, Outcome>;
    case 'authenticated':
      return {
        ...nobody,
        'agent without the right': 'in',
        'agent with the right': 'in',
        'agent of another tenant': 'in',
        'service token': 'in',
      };
    case 'service':
      return {
        ...nobody,
        'agent without the right': 403,
        'agent with the right': 403,
        'agent of another tenant': 403,
        'service token': 'in',
      };
    case 'right':
      return {
        ...nobody,
        'agent without the right': 403,
        'agent with the right': 'in',
        'agent of another tenant': rule.ofTenant ? 403 : 'in',
        'service token': 'in',
      };
    case 'agent':
      return {
        ...nobody,
        'agent without the right': rule.right ? 403 : 'in',
        'agent with the right': 'in',
        'agent of another tenant': 'in',
        'service token': rule.service,
      };
  }
}
