import { ExpressAdapter } from '@nestjs/platform-express';
import { type Response } from 'express';

/**
 * Express, with a shorter way out for what nearly every answer is: an object as JSON, whose type and length are known. What it leaves out
 * (ETag, content negotiation, settings) is switched off anyway; anything else goes Express' own way.
 */
export class JsonAdapter extends ExpressAdapter {
  override reply(response: Response, body: unknown, statusCode?: number): unknown {
    if (!isPlainObject(body) || response.hasHeader('content-type')) return super.reply(response, body, statusCode);
    if (statusCode !== undefined) response.statusCode = statusCode;
    const text = JSON.stringify(body);
    response.setHeader('Content-Type', 'application/json; charset=utf-8');
    response.setHeader('Content-Length', Buffer.byteLength(text));
    return response.end(text);
  }
}

function isPlainObject(body: unknown): boolean {
  return typeof body === 'object' && body !== null && Object.getPrototypeOf(body) === Object.prototype;
}
