/** The few words the logger says for itself: once per change of state, never per event. */
export interface AuditLog {
  warn(details: object, message: string): void;
  info(details: object, message: string): void;
}
