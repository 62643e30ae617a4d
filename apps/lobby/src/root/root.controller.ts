import { Controller, Get } from '@nestjs/common';
import { lobbyWelcome, type LobbyWelcome } from '#contracts';
import { Endpoint, Public } from '#http';

@Public()
@Controller()
export class RootController {
  @Get()
  @Endpoint({ summary: 'Where to go from here', response: lobbyWelcome })
  welcome(): LobbyWelcome {
    return { service: 'lobby', docs: '/docs', health: '/health/detailed' };
  }
}
