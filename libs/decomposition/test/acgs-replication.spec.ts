import { describeAcgsMove } from './support/acgs-load/describe-move.js';

describeAcgsMove('replication');
