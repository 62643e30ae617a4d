import { readFile } from 'node:fs/promises';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { name, tier } from '#contracts';
import { errorMessage } from '#errors';
import { PROVIDERS } from '../providers/provider-names.js';

/** Unknown members are refused: a price that is misspelt must not be a model that costs nothing. */
const model = z.strictObject({
  tier,
  provider: z.enum(PROVIDERS),
  provider_model: name.optional(),
  context_window: z.number().int().min(1).max(2_147_483_647),
  cost_per_1k_input: z.number().min(0),
  cost_per_1k_output: z.number().min(0),
  capabilities: z.array(name).max(100),
});
const ghost = z.strictObject({ preferred: name, fallbacks: z.array(name).max(100).default([]) });
const modelsFile = z.strictObject({ models: z.record(name, model) });
const ghostsFile = z.strictObject({ ghosts: z.record(name, ghost) });

export type ModelDefinitions = z.output<typeof modelsFile>['models'];
export type GhostDefinitions = z.output<typeof ghostsFile>['ghosts'];

/** What a request names when it leaves the choice to the router. */
export const AUTO = 'auto';

/** A registry file cannot be used; the message says which, where and why. */
export class RegistryFileError extends Error {
  readonly code = 'registry_invalid';
}

/**
 * Reads both files and checks them against each other.
 *
 * @throws RegistryFileError
 */
export async function readRegistryFiles(
  modelsPath: string,
  ghostsPath: string,
): Promise<{ models: ModelDefinitions; ghosts: GhostDefinitions }> {
  const { models } = await readYaml(modelsPath, modelsFile);
  const { ghosts } = await readYaml(ghostsPath, ghostsFile);
  if (Object.keys(models).length === 0) throw new RegistryFileError(`${modelsPath}: models: expected at least one`);
  if (Object.hasOwn(models, AUTO))
    throw new RegistryFileError(`${modelsPath}: models.${AUTO}: the name is taken by the router`);
  const problems = Object.entries(ghosts).flatMap(([ghostName, { preferred, fallbacks }]) => [
    ...(ghostName === AUTO || Object.hasOwn(models, ghostName) ? [`ghosts.${ghostName}: the name is taken`] : []),
    ...[preferred, ...fallbacks]
      .filter((shell) => !Object.hasOwn(models, shell))
      .map((shell) => `ghosts.${ghostName}: there is no model '${shell}' in ${modelsPath}`),
  ]);
  if (problems.length > 0) throw new RegistryFileError(`${ghostsPath}: ${problems.join('; ')}`);
  return { models, ghosts };
}

async function readYaml<S extends z.ZodType>(path: string, schema: S): Promise<z.output<S>> {
  let document: unknown;
  try {
    document = parseYaml(await readFile(path, 'utf8'));
  } catch (error) {
    throw new RegistryFileError(`${path}: ${errorMessage(error, 0)}`, { cause: error });
  }
  const parsed = schema.safeParse(document);
  if (parsed.success) return parsed.data;
  const reasons = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'file'}: ${issue.message}`);
  throw new RegistryFileError(`${path}: ${reasons.join('; ')}`, { cause: parsed.error });
}
