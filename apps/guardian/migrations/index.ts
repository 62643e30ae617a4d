import { CreateCertificates1763683200000 } from './1763683200000-create-certificates.js';
import { CreateAgentBadges1763683200001 } from './1763683200001-create-agent-badges.js';
import { CreateAgentSessions1763683200002 } from './1763683200002-create-agent-sessions.js';
import { RetireSigningKeys1763856000000 } from './1763856000000-retire-signing-keys.js';
import { HintAtChanges1763856000001 } from './1763856000001-hint-at-changes.js';
import { HearOfSessions1763856000002 } from './1763856000002-hear-of-sessions.js';

/** This service's schema history, oldest first. */
export const migrations = [
  CreateCertificates1763683200000,
  CreateAgentBadges1763683200001,
  CreateAgentSessions1763683200002,
  RetireSigningKeys1763856000000,
  HintAtChanges1763856000001,
  HearOfSessions1763856000002,
];
