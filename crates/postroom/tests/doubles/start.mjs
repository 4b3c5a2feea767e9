// Starts one double, or several of one package, on free ports of the loopback interface:
// `node --input-type=module --eval THIS -- NAME OPTIONS`, in the folder where they are installed.
// Says where they listen in one line of JSON, and ends when its input does: with whoever started it.

const host = "127.0.0.1";

const doubles = {
  // GitHub, Google, Slack, Resend, Linear, Twilio: {services: [name], seed: {name: state}}.
  async emulate({ services, seed }) {
    const { createEmulator } = await import("emulate");
    const started = services.map(async (service) => {
      const double = await createEmulator({ service, seed, port: 0, hostname: host });
      return [service, double.url];
    });
    return Object.fromEntries(await Promise.all(started));
  },

  // Stripe without invoices, with idempotency.
  async stripe() {
    const { default: stripe } = await import("stripe-stateful-mock");
    const server = stripe.createExpressApp().listen(0, host);
    await new Promise((resolve, reject) => server.once("listening", resolve).once("error", reject));
    return { stripe: `http://${host}:${server.address().port}` };
  },

  // OpenAI and Anthropic: {fixtures: [what is answered to what]}.
  async models({ fixtures }) {
    const { LLMock } = await import("@copilotkit/aimock");
    const double = new LLMock({ port: 0, host });
    double.addFixturesFromJSON(fixtures);
    await double.start();
    return { models: double.url };
  },

  // An authorisation server.
  async oauth() {
    const { OAuth2Server } = await import("oauth2-mock-server");
    const server = new OAuth2Server();
    await server.issuer.keys.generate("RS256");
    await server.start(0, host);
    return { oauth: `http://${host}:${server.address().port}` };
  },
};

process.stdin.resume().once("end", () => process.exit(0));
const [name, options] = process.argv.slice(-2);
console.log(JSON.stringify(await doubles[name](JSON.parse(options))));
