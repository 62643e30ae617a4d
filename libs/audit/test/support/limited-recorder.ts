import { FullDiskRun } from './full-disk-run.js';
import { limitFileSize } from './tiny-disk.js';

/**
 * `limited-recorder.js DIRECTORY`: fills a spool as far as the kernel lets it. A process of its own, because jest does not survive the
 * signal that comes with the limit. Prints the facts as JSON.
 */
const run = new FullDiskRun(process.argv[2]!, { durability: 'process', maxSpoolBytes: 64 * 1024 * 1024 });
const logger = await run.open();
limitFileSize(300_000);
const facts = await run.fillAndRecover(logger, () => limitFileSize(undefined));
await logger.close();
console.log(JSON.stringify(facts));
