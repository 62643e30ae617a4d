import { z } from 'zod';
import { name } from './common.js';

export const TIERS = ['L1', 'L2', 'L3'] as const;
export const tier = z.enum(TIERS);
export type Tier = z.output<typeof tier>;

/** A chat message as OpenAI's API has it. Content may be text or parts; unknown members pass through. */
export const chatMessage = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
  content: z.union([z.string(), z.array(z.looseObject({ type: z.string() })), z.null()]).optional(),
});
export type ChatMessage = z.output<typeof chatMessage>;

/**
 * OpenAI's chat completion request, with three members of our own. Members not named here pass through to the provider.
 * `model` names a shell or a ghost, or is `auto` (the default): then complexity and tier choose.
 */
export const chatRequest = z.looseObject({
  model: name.default('auto'),
  messages: z.array(chatMessage).min(1).max(2000),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().optional() }).nullish(),
  complexity: z.number().min(1).max(10).default(5),
  priority: z.enum(['low', 'normal', 'high']).default('normal'),
  force_tier: tier.optional(),
});
export type ChatRequest = z.output<typeof chatRequest>;

/** OpenAI's answer to a chat completion, as far as we rely on it. What else a provider says passes through. */
export const chatCompletion = z.looseObject({
  model: z.string(),
  choices: z.array(z.looseObject({})),
  usage: z
    .looseObject({ prompt_tokens: z.number(), completion_tokens: z.number(), total_tokens: z.number().optional() })
    .nullish(),
});
export type ChatCompletion = z.output<typeof chatCompletion>;

export const registryModel = z.object({
  provider: z.string(),
  tier,
  context_window: z.number().int(),
  cost_per_1k_input: z.number(),
  cost_per_1k_output: z.number(),
  capabilities: z.array(z.string()),
  available: z.boolean(),
});
export type RegistryModel = z.output<typeof registryModel>;

export const registryModels = z.object({ models: z.record(z.string(), registryModel), count: z.number().int() });
export type RegistryModels = z.output<typeof registryModels>;

export const registryQuery = z.object({ tier: tier.optional(), provider: z.string().max(200).optional() });
export type RegistryQuery = z.output<typeof registryQuery>;

const registryChanges = z.object({
  added: z.array(z.string()),
  updated: z.array(z.string()),
  retired: z.array(z.string()),
});

/** `models` and `ghosts`: how many are in force now. */
export const registryReloadResponse = z.object({
  models: z.number().int(),
  ghosts: z.number().int(),
  changed: z.boolean(),
  changes: z.object({ models: registryChanges, ghosts: registryChanges }),
});
export type RegistryReloadResponse = z.output<typeof registryReloadResponse>;

/** `GET /v1/models`, as OpenAI has it. */
export const modelList = z.object({
  object: z.literal('list'),
  data: z.array(
    z.object({ id: z.string(), object: z.literal('model'), created: z.number().int(), owned_by: z.string() }),
  ),
});
export type ModelList = z.output<typeof modelList>;
