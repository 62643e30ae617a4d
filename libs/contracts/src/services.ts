/** The services of the control plane, in the order in which they stop: the door first, the keeper of the audit trail last. */
export const SERVICES = ['lobby', 'router', 'telemetry', 'guardian', 'gatekeeper'] as const;
export type ServiceName = (typeof SERVICES)[number];
