"""What Moddy does. Services know the store and the ports; never discord, aiohttp or the web."""
