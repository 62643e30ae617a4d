export { createAuditSink } from './audit-sink.js';
export { GatekeeperClient } from './gatekeeper-client.js';
export { GuardianClient } from './guardian-client.js';
export { PeerClient, type PeerCall, type PeerOptions } from './peer-client.js';
export { PeerFailure } from './peer-failure.js';
export { PeersModule } from './peers.module.js';
export { RemoteAccessControl } from './remote-access-control.js';
export { RouterClient } from './router-client.js';
export { TelemetryClient } from './telemetry-client.js';
