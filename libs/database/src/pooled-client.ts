import pg from 'pg';

/**
 * For pools, as `Client`: one whose loss ends no process. A pool lends a new connection before whoever asked for it can listen; what
 * the server says in that moment, such as that it is going down, would meet nobody. The next query fails with it all the same.
 */
export class PooledClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}
