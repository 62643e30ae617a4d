import { readFileSync } from 'node:fs';
import { clearInterval, setInterval } from 'node:timers';

const POLL_MS = 250;

/**
 * npm that is killed with SIGKILL passes nothing on. Calls back once when it is gone; returns a function that ends the
 * watch. Only below npm: a process started by hand may outlive the shell that started it.
 */
export function watchParent(onGone) {
  if (process.env.npm_lifecycle_event === undefined) return () => undefined;
  const watched = npmProcess();
  const timer = setInterval(() => {
    if (process.ppid === watched.parent && (watched.npm === undefined || parentOf(process.ppid) === watched.npm))
      return;
    clearInterval(timer);
    onGone();
  }, POLL_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** npm runs `sh -c`; some shells replace themselves by the command, others stay between npm and us. */
function npmProcess() {
  const parent = process.ppid;
  const isShell = /^(ba|da|a|z|k)?sh$/.test(stat(parent)?.name ?? '');
  return { parent, npm: isShell ? parentOf(parent) : undefined };
}

function parentOf(pid) {
  return stat(pid)?.parent;
}

/** From /proc, where there is one. Format: proc(5); the name is in brackets and may itself contain any character. */
function stat(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const name = text.slice(text.indexOf('(') + 1, text.lastIndexOf(')'));
    const parent = Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]);
    return { name, parent };
  } catch {
    return undefined;
  }
}
