/** What is wrong with a token. The message is for the audit trail and never for the caller. */
export class TokenError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TokenError';
  }
}
