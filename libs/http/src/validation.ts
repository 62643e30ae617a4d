import { type ArgumentMetadata, type PipeTransform } from '@nestjs/common';
import { ServiceError } from '#errors';

interface Issue {
  message: string;
  path?: readonly (PropertyKey | { key: PropertyKey })[];
}

const MAX_ISSUES = 10;

/**
 * Checks each `@Body({ schema })`, `@Query({ schema })` and `@Param(name, { schema })` and gives the handler what the schema makes of it; a
 * 400 names the field. Schemas answer at once: one that has to wait for something is a mistake.
 */
export const validationPipe: PipeTransform = {
  transform(value: unknown, { schema, type }: ArgumentMetadata): unknown {
    if (schema === undefined || type === 'custom') return value;
    const result = schema['~standard'].validate(value);
    if (result instanceof Promise) throw new TypeError('a schema of an endpoint must not be asynchronous');
    if (result.issues) throw invalid(result.issues);
    return result.value;
  },
};

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
