import { CANNOT } from './split/failure.js';
import { split } from './split/cli.js';
import { library } from './split/library.js';
import { runScript } from './stack/run-script.js';

/** `npm run split -- VERB --plan FILE`: from one shared database to one for each service, and back. */
await runScript(async () => {
  const { argv, env, stdin, stdout, stderr } = process;
  return split(argv.slice(2), { env, library, input: stdin, output: stdout, errors: stderr });
}, CANNOT);
