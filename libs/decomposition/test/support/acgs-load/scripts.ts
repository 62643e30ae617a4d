import { createHash, randomUUID } from 'node:crypto';

/** Rows that stay, for tables of other services to refer to. */
export interface World {
  users: string[];
  sessions: string[];
  auditLogs: string[];
  policies: string[];
  /** Users that have no seat in the council: each may have one. */
  seatless: string[];
}

/** Of one writer, on the tables of one service. */
export interface Part {
  /** Part of every name that it gives. */
  name: string;
  world: World;
  /** The hash of the last row of the trail; only the one who writes it has it. */
  head?: string | undefined;
}

/** @param sql an INSERT INTO table AS t @returns the row's key */
export type Put = (table: string, sql: string, values: unknown[]) => Promise<string>;

/** What a writer does to a service's tables. */
export interface Script {
  /** Adds a few rows that belong together, one in each of its tables. Called anew when it is refused: it changes nothing but tables. */
  add(put: Put, tag: string, part: Part): Promise<void>;
  /** How rows of one of the tables are changed now and then; $1 is some text. */
  change: { table: string; set: string };
  /** Takes away what `add` made, most of it by a cascade; $1 is the tag. Empty where nothing is ever taken away. */
  remove: readonly string[];
}

/** One of the last few, so that references are to rows that may be on their way. */
const late = (list: readonly string[]): string | null =>
  list.at(-1 - Math.floor(Math.random() * Math.min(4, list.length))) ?? null;
export const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

export const SCRIPTS: Readonly<Record<string, Script>> = {
  auth: {
    add: async (put, tag, { world }) => {
      const user = await put('users', 'INSERT INTO users AS t (id, email, display_name) VALUES ($1, $2, $3)', [
        ...[randomUUID(), `${tag}@example.org`, tag],
      ]);
      const session = await put(
        'sessions',
        `INSERT INTO sessions AS t (id, user_id, expires_at, last_audit_log_id) VALUES ($1, $2, now() + interval '1 hour', $3)`,
        [randomUUID(), user, late(world.auditLogs)],
      );
      await put(
        'tokens',
        `INSERT INTO tokens AS t (session_id, user_id, token_hash, expires_at, audit_log_id) VALUES ($1, $2, $3, now(), $4)`,
        [session, user, Buffer.from(tag), late(world.auditLogs)],
      );
      const role = await put('roles', 'INSERT INTO roles AS t (name) VALUES ($1)', [tag]);
      const permission = await put(
        'permissions',
        `INSERT INTO permissions AS t (resource, action) VALUES ($1, 'read')`,
        [tag],
      );
      await put(
        'role_permissions',
        'INSERT INTO role_permissions AS t (role_id, permission_id, granted_by) VALUES ($1, $2, $3)',
        [role, permission, user],
      );
    },
    change: { table: 'users', set: 'display_name = $1' },
    remove: [
      'DELETE FROM roles WHERE name = $1',
      'DELETE FROM permissions WHERE resource = $1',
      `DELETE FROM users WHERE email = $1 || '@example.org'`,
    ],
  },

  constitutional_ai: {
    add: async (put, tag, { world }) => {
      const principle = await put(
        'principles',
        `INSERT INTO principles AS t (id, code, title, body, weight) VALUES ($1, $2, $2, 'An agent must tell.', 0.5)`,
        [randomUUID(), tag],
      );
      const validation = await put(
        'validations',
        `INSERT INTO validations AS t (principle_id, session_id, audit_log_id, verdict, score) VALUES ($1, $2, $3, 'upheld', 0.75)`,
        [principle, late(world.sessions), late(world.auditLogs)],
      );
      await put(
        'compliance_checks',
        'INSERT INTO compliance_checks AS t (validation_id, check_no, passed, checked_at) VALUES ($1, 1, true, now())',
        [validation],
      );
    },
    change: { table: 'principles', set: 'title = $1' },
    remove: [
      'DELETE FROM validations WHERE principle_id = (SELECT id FROM principles WHERE code = $1)',
      'DELETE FROM principles WHERE code = $1',
    ],
  },

  integrity: {
    add: async (put, tag, { world, head, name }) => {
      let entry = late(world.auditLogs);
      if (head !== undefined)
        entry = await put(
          'audit_logs',
          `INSERT INTO audit_logs AS t (user_id, session_id, action, entity, previous_hash, hash) VALUES ($1, $2, 'act', $3, $4, $5)`,
          [late(world.users), late(world.sessions), tag, head, hashOf(tag)],
        );
      if (entry === null) return;
      await put(
        'integrity_checks',
        `INSERT INTO integrity_checks AS t (audit_log_id, checked_by, passed) VALUES ($1, $2, true)`,
        [entry, late(world.users)],
      );
      // Each writer has a chain of its own.
      const position = Number(tag.split('-').at(-1));
      const before = position === 0 ? '0'.repeat(64) : hashOf(`${name}-${position - 1} link`);
      await put(
        'hash_chains',
        'INSERT INTO hash_chains AS t (chain, position, audit_log_id, previous_hash, hash) VALUES ($1, $2, $3, $4, $5)',
        [name, position, entry, before, hashOf(`${tag} link`)],
      );
    },
    change: { table: 'integrity_checks', set: 'findings = to_jsonb($1::text)' },
    remove: [],
  },

  formal_verification: {
    add: async (put, tag, { world }) => {
      const rule = await put(
        'verification_rules',
        `INSERT INTO verification_rules AS t (id, name, smt_lib) VALUES ($1, $2, '(check-sat)')`,
        [randomUUID(), tag],
      );
      const proof = await put(
        'proof_results',
        `INSERT INTO proof_results AS t (rule_id, audit_log_id, outcome, seconds, created_at) VALUES ($1, $2, 'proved', 0.1, now())`,
        [rule, late(world.auditLogs)],
      );
      await put(
        'z3_models',
        `INSERT INTO z3_models AS t (proof_id, model_no, variables, numbers) VALUES ($1, 0, '{"x": 1}', '{1,2}')`,
        [proof],
      );
    },
    change: { table: 'verification_rules', set: 'smt_lib = $1' },
    remove: [
      'DELETE FROM proof_results WHERE rule_id = (SELECT id FROM verification_rules WHERE name = $1)',
      'DELETE FROM verification_rules WHERE name = $1',
    ],
  },

  governance_synthesis: {
    add: async (put, tag, { world }) => {
      const policy = await put(
        'policies',
        `INSERT INTO policies AS t (id, name, version, author_id, body) VALUES ($1, $2, 1, $3, $2)`,
        [randomUUID(), tag, late(world.users)],
      );
      const synthesis = await put(
        'synthesis_results',
        `INSERT INTO synthesis_results AS t (policy_id, audit_log_id, model, confidence, tokens) VALUES ($1, $2, 'writer', 0.9, 10)`,
        [policy, late(world.auditLogs)],
      );
      await put(
        'llm_interactions',
        'INSERT INTO llm_interactions AS t (id, synthesis_id, prompt) VALUES ($1, $2, $3)',
        [randomUUID(), synthesis, tag],
      );
    },
    change: { table: 'policies', set: 'body = $1' },
    remove: ['DELETE FROM llm_interactions WHERE prompt = $1', 'DELETE FROM policies WHERE name = $1'],
  },

  policy_governance: {
    add: async (put, tag, { world }) => {
      const rule = await put(
        'governance_rules',
        `INSERT INTO governance_rules AS t (id, policy_id, condition, effective) VALUES ($1, $2, to_jsonb($3::text), tstzrange(now(), NULL))`,
        [randomUUID(), late(world.policies), tag],
      );
      await put(
        'enforcement_logs',
        `INSERT INTO enforcement_logs AS t (rule_id, user_id, outcome, input) VALUES ($1, $2, 'allowed', to_jsonb($3::text))`,
        [rule, late(world.users), tag],
      );
      await put(
        'opa_policies',
        `INSERT INTO opa_policies AS t (package, revision, rule_id, rego) VALUES ($1, 1, $2, 'package acgs')`,
        [tag, rule],
      );
    },
    change: { table: 'opa_policies', set: 'rego = $1' },
    remove: [
      'DELETE FROM enforcement_logs WHERE input = to_jsonb($1::text)',
      'DELETE FROM opa_policies WHERE package = $1',
      'DELETE FROM governance_rules WHERE condition = to_jsonb($1::text)',
    ],
  },

  executive_council: {
    add: async (put, tag, { world }) => {
      const decision = await put(
        'decisions',
        'INSERT INTO decisions AS t (id, policy_id, title, quorum) VALUES ($1, $2, $3, 0.5)',
        [randomUUID(), late(world.policies), tag],
      );
      const user = world.seatless.pop();
      if (user === undefined) return;
      const member = await put(
        'council_members',
        `INSERT INTO council_members AS t (user_id, seat, term) VALUES ($1, $2, daterange('2026-01-01', NULL))`,
        [user, tag],
      );
      await put(
        'voting_records',
        `INSERT INTO voting_records AS t (decision_id, member_id, vote) VALUES ($1, $2, 'for')`,
        [decision, member],
      );
    },
    change: { table: 'decisions', set: 'title = $1' },
    remove: ['DELETE FROM decisions WHERE title = $1', 'DELETE FROM council_members WHERE seat = $1'],
  },

  dgm: {
    add: async (put, tag, { world }) => {
      const improvement = await put(
        'improvements',
        `INSERT INTO improvements AS t (id, proposed_by, title, proposed_on) VALUES ($1, $2, $3, '2026-01-01')`,
        [randomUUID(), late(world.users), tag],
      );
      await put(
        'evolution_logs',
        'INSERT INTO evolution_logs AS t (improvement_id, audit_log_id, generation, fitness) VALUES ($1, $2, 1, 0.5)',
        [improvement, late(world.auditLogs)],
      );
      await put(
        'self_modifications',
        'INSERT INTO self_modifications AS t (improvement_id, diff, applied_at) VALUES ($1, $2, now())',
        [improvement, tag],
      );
    },
    change: { table: 'improvements', set: 'title = $1' },
    remove: [
      'DELETE FROM self_modifications WHERE diff = $1',
      'DELETE FROM evolution_logs WHERE improvement_id = (SELECT id FROM improvements WHERE title = $1)',
      'DELETE FROM improvements WHERE title = $1',
    ],
  },
};
