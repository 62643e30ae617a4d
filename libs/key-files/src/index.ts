export { makeKeyFile, openKeyFile, syncDirectory, type KeyFile } from './ed25519-key-file.js';
