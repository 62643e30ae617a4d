import { randomBytes } from 'node:crypto';
import { Command } from 'commander';
import { stackAccess } from './demo/stack-access.js';
import { steps } from './demo/steps.js';
import { proveAll } from './demo/proofs.js';
import { readTrail, trailTable, type Told } from './demo/trail.js';
import { ensureHome, locateHome } from './stack/home.js';
import { runScript } from './stack/run-script.js';
import { stackSecrets } from './stack/secrets.js';

/**
 * `npm run demo`: agents allowed and denied on a running stack, and then what the audit trail says of it.
 * Exit code 1 when an answer, or the trail, is not what it should be.
 */
await runScript(async () => {
  new Command('demo')
    .description('Shows a running stack at work, and its audit trail. Start it first: npm start')
    .parse();
  const home = await locateHome(process.cwd(), process.env);
  await ensureHome(home);
  const { jwtSecretKey } = await stackSecrets(home, process.env);
  const stack = stackAccess(jwtSecretKey, process.env);
  await mustRun(stack.lobby);

  const since = new Date().toISOString();
  const run = randomBytes(3).toString('hex');
  const told: Told[] = [];
  for (const [index, step] of steps(stack).entries()) {
    const requestId = `demo-${run}-${index + 1}`;
    process.stdout.write(`\n${index + 1}. ${step.title}\n`);
    process.stdout.write(`   ${await step.run(requestId)}\n`);
    told.push({ requestId, expected: step.expected });
  }
  const events = await readTrail(stack, since, told);
  process.stdout.write(`\nThe audit trail of it (${events.length} events):\n\n${trailTable(events)}\n\n`);
  process.stdout.write('Every step is in the trail with its outcome.\n');
  const key = await proveAll(stack, events);
  process.stdout.write(`Each event is proved to be in the log of ${key}.\n`);
});

async function mustRun(lobby: string): Promise<void> {
  try {
    await fetch(`${lobby}/health/live`, { signal: AbortSignal.timeout(3000) });
  } catch (cause) {
    throw new Error(`No stack answers at ${lobby}. Start one in another terminal: npm start`, { cause });
  }
}
