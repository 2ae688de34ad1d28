# frozen_string_literal: true

# OmniAuth with its strategy for OpenID Connect and discovery, as its documentation shows it, in a Rack application.

require 'json'
require 'omniauth'
require 'omniauth_openid_connect'
require 'rack'
require 'rack/handler/webrick'
require 'webrick'

SETTINGS = JSON.parse(ENV.fetch('CLIENT_SETTINGS'))
ISSUER = SETTINGS['issuer']
# The switch of the gem swd, which does the discovery, for http on loopback.
SWD.url_builder = URI::HTTP
OmniAuth.config.logger = Logger.new($stderr)

# OmniAuth starts by a POST with a token against forgery. The page sends it by itself, as a user who presses its button.
LOGIN = <<~HTML
  <form method="post" action="/auth/openid_connect"><input type="hidden" name="authenticity_token" value="%s"></form>
  <script>document.forms[0].submit()</script>
HTML

seen = nil
app = Rack::Builder.new do
  use Rack::Session::Cookie, secret: 'a secret of this test alone'
  use OmniAuth::Builder do
    provider :openid_connect, {
      issuer: ISSUER,
      discovery: true,
      scope: %i[openid email profile],
      client_options: { identifier: SETTINGS['clientId'], secret: SETTINGS['clientSecret'], redirect_uri: SETTINGS['redirectUri'] },
    }
  end
  run lambda { |env|
    if env['PATH_INFO'] == '/login'
      page = format(LOGIN, Rack::Protection::AuthenticityToken.token(env['rack.session']))
      [200, { 'Content-Type' => 'text/html' }, [page]]
    else
      auth = env['omniauth.auth']
      seen = { uid: auth.uid, email: auth.info.email, name: auth.info.name, nickname: auth.info.nickname } if auth
      [200, { 'Content-Type' => 'text/plain' }, [seen.to_json]]
    end
  }
end

server = WEBrick::HTTPServer.new(BindAddress: '127.0.0.1', Port: SETTINGS['port'], AccessLog: [], Logger: WEBrick::Log.new($stderr, WEBrick::Log::WARN))
server.mount('/', Rack::Handler::WEBrick, app.to_app)
Thread.new { server.start }
$stdout.sync = true
puts "open http://localhost:#{SETTINGS['port']}/login"
$stdin.gets
puts "result #{seen.to_json}"
server.shutdown
