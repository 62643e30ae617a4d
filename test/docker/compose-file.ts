import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

export interface ComposeService {
  environment?: Record<string, string>;
  depends_on?: Record<string, { condition: string }>;
  build?: { dockerfile: string; target?: string; args?: { APP?: string } };
  ports?: string[];
  volumes?: string[];
  networks?: string[];
  user?: string;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  stop_grace_period?: string;
  restart?: string;
}

export interface ComposeFile {
  services: Record<string, ComposeService>;
  networks: Record<string, { internal?: boolean }>;
  volumes: Record<string, unknown>;
}

const FILE = 'docker/compose.yaml';
const DOCKERFILE = 'docker/Dockerfile';
/** `${NAME}`, `${NAME:?what to do}`, `${NAME:-default}` */
const VARIABLE = /\$\{([A-Z_]+)(:[?-])?([^}]*)\}/g;

/** Every `${NAME}` of the compose file; `required` are those written `${NAME:?...}`. */
export function composeVariables(): { required: Set<string>; optional: Set<string> } {
  const found = [...readFileSync(FILE, 'utf8').matchAll(VARIABLE)];
  const named = (required: boolean) =>
    new Set(found.filter(([, , operator]) => (operator === ':?') === required).map(([, name]) => name ?? ''));
  return { required: named(true), optional: named(false) };
}

/** The compose file with merge keys and variables resolved as Compose does: within each text, after parsing. */
export function readCompose(variables: Record<string, string>): ComposeFile {
  const parsed: unknown = parse(readFileSync(FILE, 'utf8'), { merge: true });
  return resolved(parsed, variables) as ComposeFile;
}

function resolved(node: unknown, variables: Record<string, string>): unknown {
  if (Array.isArray(node)) return node.map((item) => resolved(item, variables));
  if (typeof node === 'object' && node !== null) {
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, resolved(value, variables)]));
  }
  if (typeof node !== 'string') return node;
  return node.replaceAll(VARIABLE, (_, name: string, operator: string | undefined, rest: string) => {
    const value = variables[name];
    if (value) return value;
    if (operator === ':?') throw new Error(`${name}: ${rest}`);
    return rest;
  });
}

/** A different, valid value for every required variable. */
export function distinctSecrets(): Record<string, string> {
  return Object.fromEntries([...composeVariables().required].map((name) => [name, `${name}-`.padEnd(48, 'x')]));
}

/** What a container of the service finds in its environment: the image's ENV, then the compose file's. */
export function containerEnvironment(file: ComposeFile, service: string): Record<string, string> {
  const { build, environment = {} } = file.services[service] ?? {};
  const ofImage = build?.target === undefined ? imageEnvironment(build?.args?.APP ?? '') : {};
  return { NODE_ENV: 'production', GRAVITAS_HOME: '/var/lib/gravitas', ...ofImage, ...environment };
}

export function dockerfile(): string {
  return readFileSync(DOCKERFILE, 'utf8');
}

/** ENV of the Dockerfile's last stage. */
function imageEnvironment(app: string): Record<string, string> {
  const stage =
    dockerfile()
      .split(/^FROM /m)
      .at(-1) ?? '';
  const env = /^ENV ((?:.*\\\n)*.*)$/m.exec(stage)?.[1] ?? '';
  return Object.fromEntries(
    [...env.matchAll(/([A-Z_]+)=(\S+)/g)].map(([, name, value]) => [name, value?.replace('${APP}', app)]),
  ) as Record<string, string>;
}
