import { Controller, Get, Header, Param, Res, StreamableFile } from '@nestjs/common';
import { type Response } from 'express';
import { name, tileSegments } from '#contracts';
import { ServiceError } from '#errors';
import { Call, Endpoint, Requires, type CallContext } from '#http';
import { parseTilePath, TILE_WIDTH, type TileResource } from '#tlog';
import { tenantOf } from '../audit/audit.controller.js';
import { LogReader } from './log-reader.js';

const READS = { 401: 'No valid token', 403: 'The agent may not read audit/events, or not of this tenant' };
/** A full tile is the same for ever; a partial one soon gives way to a wider one. */
const FULL = 'private, max-age=31536000, immutable';
const PARTIAL = 'private, max-age=60';

/** A tenant's log as C2SP tlog-tiles has it: below `/v1/audit/tlog/<tenant>/` are the paths of the specification. */
@Controller('v1/audit/tlog/:tenant')
@Requires('read', 'audit/events')
export class TilesController {
  constructor(private readonly log: LogReader) {}

  @Get('checkpoint')
  @Header('cache-control', 'no-store')
  @Header('content-type', 'text/plain; charset=utf-8')
  @Endpoint({
    summary: 'The newest checkpoint, where C2SP tlog-tiles has it',
    produces: 'text/plain',
    errors: { ...READS, 404: 'Nothing is in the log yet (`no_checkpoint`)' },
  })
  checkpoint(@Param('tenant', { schema: name }) tenant: string, @Call() call: CallContext): Promise<string> {
    return this.log.checkpoint(tenantOf(call, tenant));
  }

  @Get('tile/*path')
  @Endpoint({
    summary: 'A tile of hashes, or a bundle of entries',
    description:
      '`tile/<level>/<index>[.p/<width>]` and `tile/entries/<index>[.p/<width>]`, with the index in groups of three digits, such as ' +
      '`tile/0/x001/x234/067`. A partial tile stays to be had when it has grown.',
    produces: 'application/octet-stream',
    errors: {
      ...READS,
      404: 'Not a path of a tile, or wider than the tree (`tile_not_found`); an event of the bundle is dropped (`bundle_dropped`)',
    },
  })
  async tile(
    @Param('tenant', { schema: name }) tenant: string,
    @Param('path', { schema: tileSegments }) path: string[],
    @Call() call: CallContext,
    @Res({ passthrough: true }) response: Response,
  ): Promise<StreamableFile> {
    const own = tenantOf(call, tenant);
    const wanted = resourceAt(`tile/${path.join('/')}`);
    const bytes = await (wanted.kind === 'tile' ? this.log.tile(own, wanted) : this.log.bundle(own, wanted));
    response.setHeader('cache-control', wanted.width === TILE_WIDTH ? FULL : PARTIAL);
    return new StreamableFile(bytes);
  }
}

/** @throws ServiceError not_found */
function resourceAt(path: string): TileResource {
  try {
    return parseTilePath(path);
  } catch (cause) {
    throw new ServiceError('not_found', 'tile_not_found', (cause as Error).message, { cause });
  }
}
