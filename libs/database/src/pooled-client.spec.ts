import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from './data-source.js';
import { createPool } from './pool.js';

/** Of the PostgreSQL documentation, "Message Formats": type, length with itself, content. */
function message(type: string, content: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(content.length + length.length);
  return Buffer.concat([Buffer.from(type), length, Buffer.from(content)]);
}

const AUTHENTICATION_OK = message('R', '\0\0\0\0');
const READY = message('Z', 'I');
const GOING_DOWN = message('E', 'SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0');

describe('a server that lets in, and goes down at once', () => {
  let server: Server;
  let url: string;
  beforeEach(async () => {
    server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(Buffer.concat([AUTHENTICATION_OK, READY, GOING_DOWN])));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `postgres://u:p@127.0.0.1:${(server.address() as AddressInfo).port}/d`;
  });
  afterEach(async () => {
    server.close();
    await once(server, 'close');
  });

  it('fails the next query, and not the process', async () => {
    const pool = createPool(url, 'test', 1, () => undefined);
    const client = await pool.connect();
    await expect(client.query('SELECT 1')).rejects.toThrow('connection error');
    client.release(true);
    await pool.end();
  });

  it('does no more to TypeORM', async () => {
    const options = { service: 'test', url, runtimeRole: 'u', entities: [], migrations: [] };
    await expect(new DataSource(dataSourceOptions(options)).initialize()).rejects.toThrow('connection error');
  });
});
