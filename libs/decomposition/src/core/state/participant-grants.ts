import { escapeIdentifier } from 'pg';

/** What a service's runtime role needs on its target to follow the move and to report. SQL; run again and again. */
export function participantGrants(role: string): string {
  const grantee = escapeIdentifier(role);
  return `
    GRANT USAGE ON SCHEMA decomposition TO ${grantee};
    GRANT SELECT ON decomposition.moves TO ${grantee};
    GRANT SELECT, INSERT, UPDATE, DELETE ON decomposition.instances TO ${grantee};
  `;
}
