/** The services of the control plane, in the order in which they stop: the door first, the keeper of the audit trail last. */
export const SERVICES = ['lobby', 'router', 'telemetry', 'guardian', 'gatekeeper'] as const;
export type ServiceName = (typeof SERVICES)[number];

/** Where each listens, unless it is configured otherwise. */
export const DEFAULT_PORTS: Readonly<Record<ServiceName, number>> = {
  lobby: 5050,
  router: 8004,
  telemetry: 8006,
  guardian: 8003,
  gatekeeper: 8001,
};
