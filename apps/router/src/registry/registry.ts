import { type Ghost } from './ghost.entity.js';
import { type Shell } from './shell.entity.js';

/** The shells and ghosts in force, in the order of their files. Immutable: a reload puts another in its place. */
export class Registry {
  private readonly shellsByName: ReadonlyMap<string, Shell>;
  private readonly ghostsByName: ReadonlyMap<string, Ghost>;

  constructor(
    readonly shells: readonly Shell[],
    readonly ghosts: readonly Ghost[],
  ) {
    this.shellsByName = new Map(shells.map((shell) => [shell.name, shell]));
    this.ghostsByName = new Map(ghosts.map((ghost) => [ghost.name, ghost]));
  }

  shell(name: string): Shell | undefined {
    return this.shellsByName.get(name);
  }

  ghost(name: string): Ghost | undefined {
    return this.ghostsByName.get(name);
  }
}
