import { Command } from 'commander';
import { redactUrl } from '#database';
import { locateHome } from './stack/home.js';
import { stackSecrets } from './stack/secrets.js';
import { onStopRequest } from './stack/signals.js';
import { Stack, StoppedWhileBooting } from './stack/stack.js';
import { Terminal } from './stack/terminal.js';
import { makeToken } from './stack/token.js';
import { readyLine, welcome } from './stack/welcome.js';

/**
 * `npm start`: the whole stack in the foreground, until SIGINT, SIGTERM, SIGHUP or the end of the npm that started it.
 * Exit code 0 after a stop that was asked for, 1 when the stack could not be started.
 */
const TOKEN_SECONDS = 24 * 3_600;

async function main(): Promise<number> {
  const options = new Command('start')
    .description('PostgreSQL, databases, migrations and the five services, until Ctrl-C.')
    .option('--verbose', "show all of the services' log lines, not only warnings and errors", false)
    .addHelpText(
      'after',
      '\nEverything is kept in GRAVITAS_HOME (.gravitas). Settings are environment variables, or lines in .env.',
    )
    .parse()
    .opts<{ verbose: boolean }>();
  const { env } = process;
  const checkout = process.cwd();
  const terminal = new Terminal();
  const home = await locateHome(checkout, env);
  const stack = new Stack({ checkout, home, env, terminal, verbose: options.verbose });

  let ignoreSignals: () => void = () => undefined;
  const stopRequested = new Promise<void>((resolve) => {
    const stop = (): void => {
      terminal.say('Stopping ...');
      stack.requestStop();
      resolve();
    };
    ignoreSignals = onStopRequest(stop, () => stack.hurry());
  });

  let code = 0;
  try {
    // A service that is slow to get ready does not hold up a stop.
    const report = await Promise.race([stack.boot(), stopRequested]);
    if (report) {
      const { jwtSecretKey } = await stackSecrets(home, env);
      const token = await makeToken({ ghost: 'Scout', ttlSeconds: TOKEN_SECONDS }, jwtSecretKey, env);
      terminal.say(welcome(report, env, stack.serverUrl && redactUrl(stack.serverUrl), token));
      terminal.say(readyLine(report));
      await stopRequested;
    }
  } catch (error) {
    if (!(error instanceof StoppedWhileBooting)) {
      terminal.complain(error instanceof Error ? error.message : String(error));
      code = 1;
    }
  }
  await stack.shutdown();
  ignoreSignals();
  terminal.say(code === 0 ? 'Stopped.' : 'Gravitas did not start.');
  return code;
}

process.exitCode = await main();
if (process.connected) process.disconnect?.();
