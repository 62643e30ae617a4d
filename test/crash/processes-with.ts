import { readdir, readFile } from 'node:fs/promises';

/** The command lines of all processes that were started with this text in their arguments or their environment. */
export async function processesWith(text: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'latin1').catch(() => '');
      const [command, environment] = await Promise.all([read('cmdline'), read('environ')]);
      return (command + environment).includes(text) ? command.replaceAll('\0', ' ') : undefined;
    }),
  );
  return found.filter((command) => command !== undefined);
}
