export { BatchBuffer, type BatchBufferOptions } from './batch-buffer.js';
export { settleWithin } from './settle-within.js';
