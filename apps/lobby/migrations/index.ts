import { CreateHistory1763683200000 } from './1763683200000-create-history.js';

/** This service's schema history, oldest first. */
export const migrations = [CreateHistory1763683200000];
