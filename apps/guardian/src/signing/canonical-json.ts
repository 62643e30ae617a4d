type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** JSON in one form only, so that it can be signed: members in order of their names, no space. Source: RFC 8785. */
export function canonicalJson(value: Json): string {
  return JSON.stringify(value, (_key, inner: Json) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
