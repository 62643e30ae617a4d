/** Every setting that is wrong, in one error, so that an operator mends them in one go. */
export class ConfigError extends Error {
  readonly code = 'config_invalid';

  constructor(
    readonly service: string,
    readonly problems: readonly string[],
  ) {
    const count = problems.length === 1 ? '1 setting is' : `${problems.length} settings are`;
    super(`${service}: ${count} not valid\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}
