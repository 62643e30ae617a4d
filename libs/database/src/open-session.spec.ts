import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { testPostgresUrl } from '#testing';
import { connectSession } from './open-session.js';

describe('a session that is given up while it connects', () => {
  let server: Server;
  let sockets: Socket[];
  let onData: (socket: Socket) => void;

  beforeEach(async () => {
    [sockets, onData] = [[], () => undefined];
    server = createServer((socket) => {
      sockets.push(socket.on('error', () => undefined).on('data', () => onData(socket)));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });

  const connect = (signal: AbortSignal) =>
    connectSession(
      { connectionString: `postgres://u:p@127.0.0.1:${(server.address() as AddressInfo).port}/d` },
      signal,
    );
  const WHY = new Error('told to stop');

  it.each(['says nothing', 'closes the connection'])(
    'rejects with the reason, at once: the server %s',
    async (what) => {
      if (what === 'closes the connection') onData = (socket) => socket.end();
      const stop = new AbortController();
      const connecting = connect(stop.signal);
      stop.abort(WHY);
      await expect(connecting).rejects.toBe(WHY);
      await expect(connect(stop.signal)).rejects.toBe(WHY);
    },
  );

  it('rejects and closes the connection when the server had been asked', async () => {
    const stop = new AbortController();
    const ended = new Promise((resolve) => {
      onData = (socket) => {
        socket.on('end', resolve);
        stop.abort(WHY);
      };
    });
    await expect(connect(stop.signal)).rejects.toBe(WHY);
    await ended;
  });

  it('stays as it is when the signal comes later', async () => {
    const stop = new AbortController();
    const client = await connectSession({ connectionString: testPostgresUrl() }, stop.signal);
    stop.abort(WHY);
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await client.end();
  });
});
