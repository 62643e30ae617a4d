import { CreateAuditLog1763683200000 } from './1763683200000-create-audit-log.js';
import { NumberAuditEvents1763769600000 } from './1763769600000-number-audit-events.js';
import { RevokeTokens1763856000000 } from './1763856000000-revoke-tokens.js';
import { KeepPolicies1763942400000 } from './1763942400000-keep-policies.js';
import { SeparateTenants1764028800000 } from './1764028800000-separate-tenants.js';
import { MonthsInSteps1764115200000 } from './1764115200000-months-in-steps.js';
import { QuarantineAuditEvents1764115201000 } from './1764115201000-quarantine-audit-events.js';
import { SearchTheTrail1764115202000 } from './1764115202000-search-the-trail.js';
import { KeepTransparencyLog1764201600000 } from './1764201600000-keep-transparency-log.js';
import { SealMonths1764288000000 } from './1764288000000-seal-months.js';
import { KeepCosignatures1764374400000 } from './1764374400000-keep-cosignatures.js';
import { SearchTextInTwoSteps1764460800000 } from './1764460800000-search-text-in-two-steps.js';
import { CountOnInAnotherCluster1764547200000 } from './1764547200000-count-on-in-another-cluster.js';

/** This service's schema history, oldest first. */
export const migrations = [
  CreateAuditLog1763683200000,
  NumberAuditEvents1763769600000,
  RevokeTokens1763856000000,
  KeepPolicies1763942400000,
  SeparateTenants1764028800000,
  MonthsInSteps1764115200000,
  QuarantineAuditEvents1764115201000,
  SearchTheTrail1764115202000,
  KeepTransparencyLog1764201600000,
  SealMonths1764288000000,
  KeepCosignatures1764374400000,
  SearchTextInTwoSteps1764460800000,
  CountOnInAnotherCluster1764547200000,
];
