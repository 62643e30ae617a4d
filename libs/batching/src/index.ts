export { BatchBuffer, type BatchBufferOptions } from './batch-buffer.js';
