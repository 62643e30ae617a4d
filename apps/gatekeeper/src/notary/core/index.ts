export { DatabaseLog } from './database-log.js';
export { DatabaseTrail, type DatabaseTrailOptions } from './database-trail.js';
export { withLogName } from './log-keys.js';
export { openMonth, sealsOrigin, signMonth, type SealStatement, type StoredSeal } from './month-seal.js';
export { type Pending, type TenantLog, type Trail, type TrailLeaf } from './trail.js';
export {
  ALL_TENANTS,
  noteOf,
  verifyTrail,
  type Intact,
  type Progress,
  type TenantVerdict,
  type TrailVerdict,
  type VerifyTrailOptions,
} from './verify-trail.js';
