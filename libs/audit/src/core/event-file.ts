import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { auditEvent, type AuditEvent } from '#contracts';

/**
 * Events in a file, one JSON object a line.
 * What the logger cannot hand over before it closes waits in such a file for the next start.
 */
export class EventFile {
  constructor(readonly path: string) {}

  /** Adds events and forces them to the disk before it resolves. */
  async append(events: readonly object[]): Promise<void> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    const file = await open(this.path, 'a', 0o600);
    try {
      await file.writeFile(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
      await file.datasync();
    } finally {
      await file.close();
    }
  }

  /** All events in order, and the lines that are none (torn by a crash, or damaged). */
  async read(): Promise<{ events: AuditEvent[]; damaged: string[] }> {
    const text = await readFile(this.path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    const events: AuditEvent[] = [];
    const damaged: string[] = [];
    for (const line of text.split('\n')) {
      if (line === '') continue;
      const event = parse(line);
      if (event) events.push(event);
      else damaged.push(line);
    }
    return { events, damaged };
  }

  async moveTo(path: string): Promise<void> {
    await rename(this.path, path);
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }
}

function parse(line: string): AuditEvent | undefined {
  try {
    return auditEvent.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}
