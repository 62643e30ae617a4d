export { startIdentityProvider, type TestIdentityProvider } from './identity-provider.js';
export { ServiceHarness, startBesideGatekeeper, type Caller, type Pair } from './service-harness.js';
export { startStandInGatekeeper, type AskedValidation, type StandInGatekeeper } from './stand-in-gatekeeper.js';
export { MovingService, type MovingServiceOptions } from './moving-service.js';
export { StandInTool, type StandInSides } from './stand-in-tool.js';
export { createTestDatabase, openTestDatabase, testPostgresUrl, type TestDatabase } from './test-database.js';
export { startService, type TestService, type TestServiceOptions } from './test-service.js';
export { agentToken, serviceToken, TEST_JWT_SECRET, TEST_SERVICE_KEY, type TestTokenOptions } from './tokens.js';
export { waitFor } from './wait-for.js';
