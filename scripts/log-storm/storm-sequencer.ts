import { NoteSigner } from '#tlog';
import { Sequencer, type SequencerState } from '../../apps/gatekeeper/src/notary/core/sequencer.js';

/** A process that keeps the log, as an instance of the gatekeeper does, until it is killed. Says on stdout what it is, whenever that changes. */
const INTERVAL_MS = 100;
/** So few that rows are left over for the next transaction when a sequencer was away for a while. */
const BATCH_SIZE = 3000;
const LOOK_MS = 5;

const { STORM_NOTARY_URL = '', STORM_SIGNER = '' } = process.env;
const say = (line: string) => process.stdout.write(`${line}\n`);
const sequencer = new Sequencer({
  url: STORM_NOTARY_URL,
  signer: NoteSigner.parse(STORM_SIGNER),
  intervalMs: INTERVAL_MS,
  batchSize: BATCH_SIZE,
  log: { info: () => undefined, warn: (details) => say(`warning ${String((details as { err?: unknown }).err)}`) },
  onStep: ({ events, tenants }) => say(`step ${events} ${tenants}`),
});
sequencer.start();
let said: SequencerState | undefined;
setInterval(() => {
  if (sequencer.state !== said) say((said = sequencer.state));
}, LOOK_MS);
// Who has nobody to tell any more ends.
process.stdin.resume().once('end', () => process.exit());
