import { StandardSchemaValidationPipe } from '@nestjs/common';
import { ServiceError } from '#errors';

interface Issue {
  message: string;
  path?: readonly (PropertyKey | { key: PropertyKey })[];
}

const MAX_ISSUES = 10;

/** Checks each `@Body({ schema })`, `@Query({ schema })` and `@Param(name, { schema })`; a 400 names the field. */
export const validationPipe = new StandardSchemaValidationPipe({
  exceptionFactory: (issues) => invalid(issues),
});

function invalid(issues: readonly Issue[]): ServiceError {
  const errors = issues.slice(0, MAX_ISSUES).map((issue) => ({ field: fieldOf(issue), message: issue.message }));
  const detail = errors.map(({ field, message }) => (field ? `${field}: ${message}` : message)).join('; ');
  return new ServiceError('invalid', 'invalid_request', detail, {
    extensions: { errors, param: errors[0]?.field || null },
  });
}

function fieldOf(issue: Issue): string {
  return (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
}
