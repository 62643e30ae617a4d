import { type Problem } from '#contracts';

const TYPES: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
  413: 'invalid_request_error',
  429: 'rate_limit_error',
};

/**
 * The `error` member that OpenAI's clients read, beside the problem document's own members.
 * Source: OpenAI API reference, "Error codes".
 */
export function openAiError(problem: Problem): { error: Record<string, unknown> } {
  const type = TYPES[problem.status] ?? 'server_error';
  return { error: { message: problem.detail, type, code: problem.code, param: problem['param'] ?? null } };
}
