import pg from 'pg';
import { verbs, type Verbs } from '#decomposition';
import { ACGS_TABLES, createAcgs, fillAcgs } from '../../libs/decomposition/samples/acgs-1/index.js';

/** The functions behind the verbs. */
export const library: Verbs = {
  ...verbs,
  sample: async (url, options) => {
    await createAcgs(url);
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
    await client.connect();
    try {
      await fillAcgs(client, options);
    } finally {
      await client.end();
    }
    return { tables: Object.values(ACGS_TABLES).flat().length };
  },
};
