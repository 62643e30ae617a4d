/** What an agent's sessions are called in policies and in the audit trail. */
export function sessionsOf(agent: string): string {
  return `guardian/sessions/${agent}`;
}
