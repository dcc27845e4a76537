#compdef sideman

autoload -U is-at-least

_sideman() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'-V[Print the version]' \
'--version[Print the version]' \
'-v[With --version\: also print how the program was built]' \
'--verbose[With --version\: also print how the program was built]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
":: :_sideman_commands" \
"*::: :->sideman" \
&& ret=0
    case $state in
    (sideman)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:sideman-command-$line[1]:"
        case $line[1] in
            (run)
_arguments "${_arguments_options[@]}" : \
'--config=[Settings file in TOML \[also\: SIDEMAN_CONFIG\]]:FILE:_files' \
'*--listen=[Address for plain HTTP; may be repeated \[also\: SIDEMAN_LISTEN\] \[default\: 0.0.0.0\:8080\]]:ADDR:_default' \
'*--upstream=[Where the application listens; may be repeated\: http\://HOST\:PORT, https\://HOST\:PORT, http+unix\:/PATH, uwsgi\://HOST\:PORT or uwsgi+unix\:/PATH \[also\: SIDEMAN_UPSTREAM\]]:URL:_default' \
'--max-in-flight=[Maximum number of requests in flight at the application\: its workers x threads; more are queued \[also\: SIDEMAN_MAX_IN_FLIGHT\]]:N:_default' \
'*--static=[Serve the files of DIR below the URL prefix; may be repeated \[also\: SIDEMAN_STATIC\]]:PREFIX=DIR:_default' \
'*--media=[Like --static, for files that users uploaded, hardened \[also\: SIDEMAN_MEDIA\]]:PREFIX=DIR:_default' \
'*--accel=[Like --static, for files that only the application may send, by X-Accel-Redirect or X-Sendfile \[also\: SIDEMAN_ACCEL\]]:PREFIX=DIR:_default' \
'--admin=[Address of the admin listener, or off \[also\: SIDEMAN_ADMIN\] \[default\: 127.0.0.1\:9180\]]:ADDR:_default' \
'--workers=[Number of worker threads \[default\: one for each core that may be used\]]:N:_default' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(exec)
_arguments "${_arguments_options[@]}" : \
'*--before=[Command to run before the application; may be repeated, they run in order]:COMMAND:_default' \
'--config=[Settings file in TOML \[also\: SIDEMAN_CONFIG\]]:FILE:_files' \
'*--listen=[Address for plain HTTP; may be repeated \[also\: SIDEMAN_LISTEN\] \[default\: 0.0.0.0\:8080\]]:ADDR:_default' \
'*--upstream=[Where the application listens; may be repeated\: http\://HOST\:PORT, https\://HOST\:PORT, http+unix\:/PATH, uwsgi\://HOST\:PORT or uwsgi+unix\:/PATH \[also\: SIDEMAN_UPSTREAM\]]:URL:_default' \
'--max-in-flight=[Maximum number of requests in flight at the application\: its workers x threads; more are queued \[also\: SIDEMAN_MAX_IN_FLIGHT\]]:N:_default' \
'*--static=[Serve the files of DIR below the URL prefix; may be repeated \[also\: SIDEMAN_STATIC\]]:PREFIX=DIR:_default' \
'*--media=[Like --static, for files that users uploaded, hardened \[also\: SIDEMAN_MEDIA\]]:PREFIX=DIR:_default' \
'*--accel=[Like --static, for files that only the application may send, by X-Accel-Redirect or X-Sendfile \[also\: SIDEMAN_ACCEL\]]:PREFIX=DIR:_default' \
'--admin=[Address of the admin listener, or off \[also\: SIDEMAN_ADMIN\] \[default\: 127.0.0.1\:9180\]]:ADDR:_default' \
'--workers=[Number of worker threads \[default\: one for each core that may be used\]]:N:_default' \
'-h[Print help]' \
'--help[Print help]' \
'*::command -- Command that starts the application; {socket}, {host} and {port} become its address:_default' \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
'(--all)--request=[Show the routes that a request matches, and what they set for it, such as '\''GET /api/'\'']:METHOD URL:_default' \
'--client=[With --request\: the client'\''s address]:ADDR:_default' \
'--config=[Settings file in TOML \[also\: SIDEMAN_CONFIG\]]:FILE:_files' \
'*--listen=[Address for plain HTTP; may be repeated \[also\: SIDEMAN_LISTEN\] \[default\: 0.0.0.0\:8080\]]:ADDR:_default' \
'*--upstream=[Where the application listens; may be repeated\: http\://HOST\:PORT, https\://HOST\:PORT, http+unix\:/PATH, uwsgi\://HOST\:PORT or uwsgi+unix\:/PATH \[also\: SIDEMAN_UPSTREAM\]]:URL:_default' \
'--max-in-flight=[Maximum number of requests in flight at the application\: its workers x threads; more are queued \[also\: SIDEMAN_MAX_IN_FLIGHT\]]:N:_default' \
'*--static=[Serve the files of DIR below the URL prefix; may be repeated \[also\: SIDEMAN_STATIC\]]:PREFIX=DIR:_default' \
'*--media=[Like --static, for files that users uploaded, hardened \[also\: SIDEMAN_MEDIA\]]:PREFIX=DIR:_default' \
'*--accel=[Like --static, for files that only the application may send, by X-Accel-Redirect or X-Sendfile \[also\: SIDEMAN_ACCEL\]]:PREFIX=DIR:_default' \
'--admin=[Address of the admin listener, or off \[also\: SIDEMAN_ADMIN\] \[default\: 127.0.0.1\:9180\]]:ADDR:_default' \
'--workers=[Number of worker threads \[default\: one for each core that may be used\]]:N:_default' \
'--all[Print every setting, including those with their default]' \
'--strict[Exit with status 1 if there is a warning]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(healthcheck)
_arguments "${_arguments_options[@]}" : \
'--timeout=[How long the whole check may take]:TIME:_default' \
'--config=[Settings file in TOML \[also\: SIDEMAN_CONFIG\]]:FILE:_files' \
'*--listen=[Address for plain HTTP; may be repeated \[also\: SIDEMAN_LISTEN\] \[default\: 0.0.0.0\:8080\]]:ADDR:_default' \
'*--upstream=[Where the application listens; may be repeated\: http\://HOST\:PORT, https\://HOST\:PORT, http+unix\:/PATH, uwsgi\://HOST\:PORT or uwsgi+unix\:/PATH \[also\: SIDEMAN_UPSTREAM\]]:URL:_default' \
'--max-in-flight=[Maximum number of requests in flight at the application\: its workers x threads; more are queued \[also\: SIDEMAN_MAX_IN_FLIGHT\]]:N:_default' \
'*--static=[Serve the files of DIR below the URL prefix; may be repeated \[also\: SIDEMAN_STATIC\]]:PREFIX=DIR:_default' \
'*--media=[Like --static, for files that users uploaded, hardened \[also\: SIDEMAN_MEDIA\]]:PREFIX=DIR:_default' \
'*--accel=[Like --static, for files that only the application may send, by X-Accel-Redirect or X-Sendfile \[also\: SIDEMAN_ACCEL\]]:PREFIX=DIR:_default' \
'--admin=[Address of the admin listener, or off \[also\: SIDEMAN_ADMIN\] \[default\: 127.0.0.1\:9180\]]:ADDR:_default' \
'--workers=[Number of worker threads \[default\: one for each core that may be used\]]:N:_default' \
'-h[Print help]' \
'--help[Print help]' \
'::url -- URL to request \[default\: health.path on the first address of server.listen\]:_default' \
&& ret=0
;;
(purge)
_arguments "${_arguments_options[@]}" : \
'*--tag=[Purge the responses with this tag (Surrogate-Key, xkey, Cache-Tag, Cache-Groups); may be repeated]:TAG:_default' \
'--timeout=[How long each request may take]:TIME:_default' \
'--config=[Settings file in TOML \[also\: SIDEMAN_CONFIG\]]:FILE:_files' \
'*--listen=[Address for plain HTTP; may be repeated \[also\: SIDEMAN_LISTEN\] \[default\: 0.0.0.0\:8080\]]:ADDR:_default' \
'*--upstream=[Where the application listens; may be repeated\: http\://HOST\:PORT, https\://HOST\:PORT, http+unix\:/PATH, uwsgi\://HOST\:PORT or uwsgi+unix\:/PATH \[also\: SIDEMAN_UPSTREAM\]]:URL:_default' \
'--max-in-flight=[Maximum number of requests in flight at the application\: its workers x threads; more are queued \[also\: SIDEMAN_MAX_IN_FLIGHT\]]:N:_default' \
'*--static=[Serve the files of DIR below the URL prefix; may be repeated \[also\: SIDEMAN_STATIC\]]:PREFIX=DIR:_default' \
'*--media=[Like --static, for files that users uploaded, hardened \[also\: SIDEMAN_MEDIA\]]:PREFIX=DIR:_default' \
'*--accel=[Like --static, for files that only the application may send, by X-Accel-Redirect or X-Sendfile \[also\: SIDEMAN_ACCEL\]]:PREFIX=DIR:_default' \
'--admin=[Address of the admin listener, or off \[also\: SIDEMAN_ADMIN\] \[default\: 127.0.0.1\:9180\]]:ADDR:_default' \
'--workers=[Number of worker threads \[default\: one for each core that may be used\]]:N:_default' \
'(--tag)--all[Purge everything]' \
'--soft[Make the responses stale instead of removing them]' \
'-h[Print help]' \
'--help[Print help]' \
'*::urls -- URL of a page of the site; with /* at the end, of all pages below:_default' \
&& ret=0
;;
(status)
_arguments "${_arguments_options[@]}" : \
'--timeout=[How long the request may take]:TIME:_default' \
'--config=[Settings file in TOML \[also\: SIDEMAN_CONFIG\]]:FILE:_files' \
'*--listen=[Address for plain HTTP; may be repeated \[also\: SIDEMAN_LISTEN\] \[default\: 0.0.0.0\:8080\]]:ADDR:_default' \
'*--upstream=[Where the application listens; may be repeated\: http\://HOST\:PORT, https\://HOST\:PORT, http+unix\:/PATH, uwsgi\://HOST\:PORT or uwsgi+unix\:/PATH \[also\: SIDEMAN_UPSTREAM\]]:URL:_default' \
'--max-in-flight=[Maximum number of requests in flight at the application\: its workers x threads; more are queued \[also\: SIDEMAN_MAX_IN_FLIGHT\]]:N:_default' \
'*--static=[Serve the files of DIR below the URL prefix; may be repeated \[also\: SIDEMAN_STATIC\]]:PREFIX=DIR:_default' \
'*--media=[Like --static, for files that users uploaded, hardened \[also\: SIDEMAN_MEDIA\]]:PREFIX=DIR:_default' \
'*--accel=[Like --static, for files that only the application may send, by X-Accel-Redirect or X-Sendfile \[also\: SIDEMAN_ACCEL\]]:PREFIX=DIR:_default' \
'--admin=[Address of the admin listener, or off \[also\: SIDEMAN_ADMIN\] \[default\: 127.0.0.1\:9180\]]:ADDR:_default' \
'--workers=[Number of worker threads \[default\: one for each core that may be used\]]:N:_default' \
'--json[Print JSON]' \
'--watch[Show the status again each second, until Ctrl-C]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(doctor)
_arguments "${_arguments_options[@]}" : \
'--task-definition=[Check a task definition of Amazon ECS, in JSON]:FILE:_files' \
'--compose=[Check a file of docker compose]:FILE:_files' \
'--copilot=[Check a manifest of AWS Copilot]:FILE:_files' \
'(--task-definition --compose --copilot)--host=[One of the site'\''s names, for requests to the running process \[default\: one of the settings, or localhost\]]:NAME:_default' \
'(--task-definition --compose --copilot)*--page=[Path of a page to look at, besides / and login pages; may be repeated]:PATH:_default' \
'--timeout=[How long each request may take]:TIME:_default' \
'--config=[Settings file in TOML \[also\: SIDEMAN_CONFIG\]]:FILE:_files' \
'*--listen=[Address for plain HTTP; may be repeated \[also\: SIDEMAN_LISTEN\] \[default\: 0.0.0.0\:8080\]]:ADDR:_default' \
'*--upstream=[Where the application listens; may be repeated\: http\://HOST\:PORT, https\://HOST\:PORT, http+unix\:/PATH, uwsgi\://HOST\:PORT or uwsgi+unix\:/PATH \[also\: SIDEMAN_UPSTREAM\]]:URL:_default' \
'--max-in-flight=[Maximum number of requests in flight at the application\: its workers x threads; more are queued \[also\: SIDEMAN_MAX_IN_FLIGHT\]]:N:_default' \
'*--static=[Serve the files of DIR below the URL prefix; may be repeated \[also\: SIDEMAN_STATIC\]]:PREFIX=DIR:_default' \
'*--media=[Like --static, for files that users uploaded, hardened \[also\: SIDEMAN_MEDIA\]]:PREFIX=DIR:_default' \
'*--accel=[Like --static, for files that only the application may send, by X-Accel-Redirect or X-Sendfile \[also\: SIDEMAN_ACCEL\]]:PREFIX=DIR:_default' \
'--admin=[Address of the admin listener, or off \[also\: SIDEMAN_ADMIN\] \[default\: 127.0.0.1\:9180\]]:ADDR:_default' \
'--workers=[Number of worker threads \[default\: one for each core that may be used\]]:N:_default' \
'--json[Print JSON]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(demo)
_arguments "${_arguments_options[@]}" : \
'--listen=[Address of the site]:ADDR:_default' \
'--admin=[Address of /metrics \[default\: 127.0.0.1\:9180, or a free port if that is taken\]]:ADDR:_default' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(import-nginx)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
'*::files -- Configuration of nginx; the files that it includes are read too:_files' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_sideman__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:sideman-help-command-$line[1]:"
        case $line[1] in
            (run)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(exec)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(healthcheck)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(purge)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(status)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(doctor)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(demo)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(import-nginx)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
}

(( $+functions[_sideman_commands] )) ||
_sideman_commands() {
    local commands; commands=(
'run:Serve static files and health checks, and forward all other requests to the application' \
'exec:Start the application, and serve in front of it as \`run\` does' \
'check:Check the settings that \`run\` would use, and print those that are set' \
'healthcheck:Check whether the running process is healthy\: exit status 0 or 1' \
'purge:Purge stored responses from the cache of the running process' \
'status:Print the status of the running process' \
'doctor:Look for mistakes in the deployment\: in a file, or beside the running process' \
'demo:Run a demonstration with a small built-in application' \
'import-nginx:Print the settings file for an nginx configuration' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'sideman commands' commands "$@"
}
(( $+functions[_sideman__subcmd__check_commands] )) ||
_sideman__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'sideman check commands' commands "$@"
}
(( $+functions[_sideman__subcmd__demo_commands] )) ||
_sideman__subcmd__demo_commands() {
    local commands; commands=()
    _describe -t commands 'sideman demo commands' commands "$@"
}
(( $+functions[_sideman__subcmd__doctor_commands] )) ||
_sideman__subcmd__doctor_commands() {
    local commands; commands=()
    _describe -t commands 'sideman doctor commands' commands "$@"
}
(( $+functions[_sideman__subcmd__exec_commands] )) ||
_sideman__subcmd__exec_commands() {
    local commands; commands=()
    _describe -t commands 'sideman exec commands' commands "$@"
}
(( $+functions[_sideman__subcmd__healthcheck_commands] )) ||
_sideman__subcmd__healthcheck_commands() {
    local commands; commands=()
    _describe -t commands 'sideman healthcheck commands' commands "$@"
}
(( $+functions[_sideman__subcmd__help_commands] )) ||
_sideman__subcmd__help_commands() {
    local commands; commands=(
'run:Serve static files and health checks, and forward all other requests to the application' \
'exec:Start the application, and serve in front of it as \`run\` does' \
'check:Check the settings that \`run\` would use, and print those that are set' \
'healthcheck:Check whether the running process is healthy\: exit status 0 or 1' \
'purge:Purge stored responses from the cache of the running process' \
'status:Print the status of the running process' \
'doctor:Look for mistakes in the deployment\: in a file, or beside the running process' \
'demo:Run a demonstration with a small built-in application' \
'import-nginx:Print the settings file for an nginx configuration' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'sideman help commands' commands "$@"
}
(( $+functions[_sideman__subcmd__help__subcmd__check_commands] )) ||
_sideman__subcmd__help__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'sideman help check commands' commands "$@"
}
(( $+functions[_sideman__subcmd__help__subcmd__demo_commands] )) ||
_sideman__subcmd__help__subcmd__demo_commands() {
    local commands; commands=()
    _describe -t commands 'sideman help demo commands' commands "$@"
}
(( $+functions[_sideman__subcmd__help__subcmd__doctor_commands] )) ||
_sideman__subcmd__help__subcmd__doctor_commands() {
    local commands; commands=()
    _describe -t commands 'sideman help doctor commands' commands "$@"
}
(( $+functions[_sideman__subcmd__help__subcmd__exec_commands] )) ||
_sideman__subcmd__help__subcmd__exec_commands() {
    local commands; commands=()
    _describe -t commands 'sideman help exec commands' commands "$@"
}
(( $+functions[_sideman__subcmd__help__subcmd__healthcheck_commands] )) ||
_sideman__subcmd__help__subcmd__healthcheck_commands() {
    local commands; commands=()
    _describe -t commands 'sideman help healthcheck commands' commands "$@"
}
(( $+functions[_sideman__subcmd__help__subcmd__help_commands] )) ||
_sideman__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'sideman help help commands' commands "$@"
}
(( $+functions[_sideman__subcmd__help__subcmd__import-nginx_commands] )) ||
_sideman__subcmd__help__subcmd__import-nginx_commands() {
    local commands; commands=()
    _describe -t commands 'sideman help import-nginx commands' commands "$@"
}
(( $+functions[_sideman__subcmd__help__subcmd__purge_commands] )) ||
_sideman__subcmd__help__subcmd__purge_commands() {
    local commands; commands=()
    _describe -t commands 'sideman help purge commands' commands "$@"
}
(( $+functions[_sideman__subcmd__help__subcmd__run_commands] )) ||
_sideman__subcmd__help__subcmd__run_commands() {
    local commands; commands=()
    _describe -t commands 'sideman help run commands' commands "$@"
}
(( $+functions[_sideman__subcmd__help__subcmd__status_commands] )) ||
_sideman__subcmd__help__subcmd__status_commands() {
    local commands; commands=()
    _describe -t commands 'sideman help status commands' commands "$@"
}
(( $+functions[_sideman__subcmd__import-nginx_commands] )) ||
_sideman__subcmd__import-nginx_commands() {
    local commands; commands=()
    _describe -t commands 'sideman import-nginx commands' commands "$@"
}
(( $+functions[_sideman__subcmd__purge_commands] )) ||
_sideman__subcmd__purge_commands() {
    local commands; commands=()
    _describe -t commands 'sideman purge commands' commands "$@"
}
(( $+functions[_sideman__subcmd__run_commands] )) ||
_sideman__subcmd__run_commands() {
    local commands; commands=()
    _describe -t commands 'sideman run commands' commands "$@"
}
(( $+functions[_sideman__subcmd__status_commands] )) ||
_sideman__subcmd__status_commands() {
    local commands; commands=()
    _describe -t commands 'sideman status commands' commands "$@"
}

if [ "$funcstack[1]" = "_sideman" ]; then
    _sideman "$@"
else
    compdef _sideman sideman
fi
