import { Badge } from './badges/badge.entity.js';
import { Certificate } from './certificates/certificate.entity.js';
import { Session } from './sessions/session.entity.js';
import { SigningKey } from './signing/signing-key.entity.js';

/** Every table of this service, as TypeORM sees it. */
export const entities = [SigningKey, Certificate, Badge, Session];
