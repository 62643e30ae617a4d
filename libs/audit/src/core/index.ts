export { type AuditLog } from './audit-log.js';
export { AuditLogger, type AuditLoggerOptions, type AuditReceipt } from './audit-logger.js';
export { AuditError, SinkRejectedError, type AuditErrorCode } from './errors.js';
export { type AuditSink, type SinkResult } from './sink.js';
export { HttpSink } from './sinks/http-sink.js';
export { PostgresSink } from './sinks/postgres-sink.js';
export { FileSpool, type Spool } from './spool.js';
