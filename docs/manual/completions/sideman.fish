# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_sideman_global_optspecs
    string join \n V/version v/verbose h/help
end

function __fish_sideman_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_sideman_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_sideman_using_subcommand
    set -l cmd (__fish_sideman_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c sideman -n "__fish_sideman_needs_command" -s V -l version -d 'Print the version'
complete -c sideman -n "__fish_sideman_needs_command" -s v -l verbose -d 'With --version: also print how the program was built'
complete -c sideman -n "__fish_sideman_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sideman -n "__fish_sideman_needs_command" -f -a "run" -d 'Serve static files and health checks, and forward all other requests to the application'
complete -c sideman -n "__fish_sideman_needs_command" -f -a "exec" -d 'Start the application, and serve in front of it as `run` does'
complete -c sideman -n "__fish_sideman_needs_command" -f -a "check" -d 'Check the settings that `run` would use, and print those that are set'
complete -c sideman -n "__fish_sideman_needs_command" -f -a "healthcheck" -d 'Check whether the running process is healthy: exit status 0 or 1'
complete -c sideman -n "__fish_sideman_needs_command" -f -a "purge" -d 'Purge stored responses from the cache of the running process'
complete -c sideman -n "__fish_sideman_needs_command" -f -a "status" -d 'Print the status of the running process'
complete -c sideman -n "__fish_sideman_needs_command" -f -a "doctor" -d 'Look for mistakes in the deployment: in a file, or beside the running process'
complete -c sideman -n "__fish_sideman_needs_command" -f -a "demo" -d 'Run a demonstration with a small built-in application'
complete -c sideman -n "__fish_sideman_needs_command" -f -a "import-nginx" -d 'Print the settings file for an nginx configuration'
complete -c sideman -n "__fish_sideman_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sideman -n "__fish_sideman_using_subcommand run" -l config -d 'Settings file in TOML [also: SIDEMAN_CONFIG]' -r -F
complete -c sideman -n "__fish_sideman_using_subcommand run" -l listen -d 'Address for plain HTTP; may be repeated [also: SIDEMAN_LISTEN] [default: 0.0.0.0:8080]' -r
complete -c sideman -n "__fish_sideman_using_subcommand run" -l upstream -d 'Where the application listens; may be repeated: http://HOST:PORT, https://HOST:PORT, http+unix:/PATH, uwsgi://HOST:PORT or uwsgi+unix:/PATH [also: SIDEMAN_UPSTREAM]' -r
complete -c sideman -n "__fish_sideman_using_subcommand run" -l max-in-flight -d 'Maximum number of requests in flight at the application: its workers x threads; more are queued [also: SIDEMAN_MAX_IN_FLIGHT]' -r
complete -c sideman -n "__fish_sideman_using_subcommand run" -l static -d 'Serve the files of DIR below the URL prefix; may be repeated [also: SIDEMAN_STATIC]' -r
complete -c sideman -n "__fish_sideman_using_subcommand run" -l media -d 'Like --static, for files that users uploaded, hardened [also: SIDEMAN_MEDIA]' -r
complete -c sideman -n "__fish_sideman_using_subcommand run" -l accel -d 'Like --static, for files that only the application may send, by X-Accel-Redirect or X-Sendfile [also: SIDEMAN_ACCEL]' -r
complete -c sideman -n "__fish_sideman_using_subcommand run" -l admin -d 'Address of the admin listener, or off [also: SIDEMAN_ADMIN] [default: 127.0.0.1:9180]' -r
complete -c sideman -n "__fish_sideman_using_subcommand run" -l workers -d 'Number of worker threads [default: one for each core that may be used]' -r
complete -c sideman -n "__fish_sideman_using_subcommand run" -s h -l help -d 'Print help'
complete -c sideman -n "__fish_sideman_using_subcommand exec" -l before -d 'Command to run before the application; may be repeated, they run in order' -r
complete -c sideman -n "__fish_sideman_using_subcommand exec" -l config -d 'Settings file in TOML [also: SIDEMAN_CONFIG]' -r -F
complete -c sideman -n "__fish_sideman_using_subcommand exec" -l listen -d 'Address for plain HTTP; may be repeated [also: SIDEMAN_LISTEN] [default: 0.0.0.0:8080]' -r
complete -c sideman -n "__fish_sideman_using_subcommand exec" -l upstream -d 'Where the application listens; may be repeated: http://HOST:PORT, https://HOST:PORT, http+unix:/PATH, uwsgi://HOST:PORT or uwsgi+unix:/PATH [also: SIDEMAN_UPSTREAM]' -r
complete -c sideman -n "__fish_sideman_using_subcommand exec" -l max-in-flight -d 'Maximum number of requests in flight at the application: its workers x threads; more are queued [also: SIDEMAN_MAX_IN_FLIGHT]' -r
complete -c sideman -n "__fish_sideman_using_subcommand exec" -l static -d 'Serve the files of DIR below the URL prefix; may be repeated [also: SIDEMAN_STATIC]' -r
complete -c sideman -n "__fish_sideman_using_subcommand exec" -l media -d 'Like --static, for files that users uploaded, hardened [also: SIDEMAN_MEDIA]' -r
complete -c sideman -n "__fish_sideman_using_subcommand exec" -l accel -d 'Like --static, for files that only the application may send, by X-Accel-Redirect or X-Sendfile [also: SIDEMAN_ACCEL]' -r
complete -c sideman -n "__fish_sideman_using_subcommand exec" -l admin -d 'Address of the admin listener, or off [also: SIDEMAN_ADMIN] [default: 127.0.0.1:9180]' -r
complete -c sideman -n "__fish_sideman_using_subcommand exec" -l workers -d 'Number of worker threads [default: one for each core that may be used]' -r
complete -c sideman -n "__fish_sideman_using_subcommand exec" -s h -l help -d 'Print help'
complete -c sideman -n "__fish_sideman_using_subcommand check" -l request -d 'Show the routes that a request matches, and what they set for it, such as \'GET /api/\'' -r
complete -c sideman -n "__fish_sideman_using_subcommand check" -l client -d 'With --request: the client\'s address' -r
complete -c sideman -n "__fish_sideman_using_subcommand check" -l config -d 'Settings file in TOML [also: SIDEMAN_CONFIG]' -r -F
complete -c sideman -n "__fish_sideman_using_subcommand check" -l listen -d 'Address for plain HTTP; may be repeated [also: SIDEMAN_LISTEN] [default: 0.0.0.0:8080]' -r
complete -c sideman -n "__fish_sideman_using_subcommand check" -l upstream -d 'Where the application listens; may be repeated: http://HOST:PORT, https://HOST:PORT, http+unix:/PATH, uwsgi://HOST:PORT or uwsgi+unix:/PATH [also: SIDEMAN_UPSTREAM]' -r
complete -c sideman -n "__fish_sideman_using_subcommand check" -l max-in-flight -d 'Maximum number of requests in flight at the application: its workers x threads; more are queued [also: SIDEMAN_MAX_IN_FLIGHT]' -r
complete -c sideman -n "__fish_sideman_using_subcommand check" -l static -d 'Serve the files of DIR below the URL prefix; may be repeated [also: SIDEMAN_STATIC]' -r
complete -c sideman -n "__fish_sideman_using_subcommand check" -l media -d 'Like --static, for files that users uploaded, hardened [also: SIDEMAN_MEDIA]' -r
complete -c sideman -n "__fish_sideman_using_subcommand check" -l accel -d 'Like --static, for files that only the application may send, by X-Accel-Redirect or X-Sendfile [also: SIDEMAN_ACCEL]' -r
complete -c sideman -n "__fish_sideman_using_subcommand check" -l admin -d 'Address of the admin listener, or off [also: SIDEMAN_ADMIN] [default: 127.0.0.1:9180]' -r
complete -c sideman -n "__fish_sideman_using_subcommand check" -l workers -d 'Number of worker threads [default: one for each core that may be used]' -r
complete -c sideman -n "__fish_sideman_using_subcommand check" -l all -d 'Print every setting, including those with their default'
complete -c sideman -n "__fish_sideman_using_subcommand check" -l strict -d 'Exit with status 1 if there is a warning'
complete -c sideman -n "__fish_sideman_using_subcommand check" -s h -l help -d 'Print help'
complete -c sideman -n "__fish_sideman_using_subcommand healthcheck" -l timeout -d 'How long the whole check may take' -r
complete -c sideman -n "__fish_sideman_using_subcommand healthcheck" -l config -d 'Settings file in TOML [also: SIDEMAN_CONFIG]' -r -F
complete -c sideman -n "__fish_sideman_using_subcommand healthcheck" -l listen -d 'Address for plain HTTP; may be repeated [also: SIDEMAN_LISTEN] [default: 0.0.0.0:8080]' -r
complete -c sideman -n "__fish_sideman_using_subcommand healthcheck" -l upstream -d 'Where the application listens; may be repeated: http://HOST:PORT, https://HOST:PORT, http+unix:/PATH, uwsgi://HOST:PORT or uwsgi+unix:/PATH [also: SIDEMAN_UPSTREAM]' -r
complete -c sideman -n "__fish_sideman_using_subcommand healthcheck" -l max-in-flight -d 'Maximum number of requests in flight at the application: its workers x threads; more are queued [also: SIDEMAN_MAX_IN_FLIGHT]' -r
complete -c sideman -n "__fish_sideman_using_subcommand healthcheck" -l static -d 'Serve the files of DIR below the URL prefix; may be repeated [also: SIDEMAN_STATIC]' -r
complete -c sideman -n "__fish_sideman_using_subcommand healthcheck" -l media -d 'Like --static, for files that users uploaded, hardened [also: SIDEMAN_MEDIA]' -r
complete -c sideman -n "__fish_sideman_using_subcommand healthcheck" -l accel -d 'Like --static, for files that only the application may send, by X-Accel-Redirect or X-Sendfile [also: SIDEMAN_ACCEL]' -r
complete -c sideman -n "__fish_sideman_using_subcommand healthcheck" -l admin -d 'Address of the admin listener, or off [also: SIDEMAN_ADMIN] [default: 127.0.0.1:9180]' -r
complete -c sideman -n "__fish_sideman_using_subcommand healthcheck" -l workers -d 'Number of worker threads [default: one for each core that may be used]' -r
complete -c sideman -n "__fish_sideman_using_subcommand healthcheck" -s h -l help -d 'Print help'
complete -c sideman -n "__fish_sideman_using_subcommand purge" -l tag -d 'Purge the responses with this tag (Surrogate-Key, xkey, Cache-Tag, Cache-Groups); may be repeated' -r
complete -c sideman -n "__fish_sideman_using_subcommand purge" -l timeout -d 'How long each request may take' -r
complete -c sideman -n "__fish_sideman_using_subcommand purge" -l config -d 'Settings file in TOML [also: SIDEMAN_CONFIG]' -r -F
complete -c sideman -n "__fish_sideman_using_subcommand purge" -l listen -d 'Address for plain HTTP; may be repeated [also: SIDEMAN_LISTEN] [default: 0.0.0.0:8080]' -r
complete -c sideman -n "__fish_sideman_using_subcommand purge" -l upstream -d 'Where the application listens; may be repeated: http://HOST:PORT, https://HOST:PORT, http+unix:/PATH, uwsgi://HOST:PORT or uwsgi+unix:/PATH [also: SIDEMAN_UPSTREAM]' -r
complete -c sideman -n "__fish_sideman_using_subcommand purge" -l max-in-flight -d 'Maximum number of requests in flight at the application: its workers x threads; more are queued [also: SIDEMAN_MAX_IN_FLIGHT]' -r
complete -c sideman -n "__fish_sideman_using_subcommand purge" -l static -d 'Serve the files of DIR below the URL prefix; may be repeated [also: SIDEMAN_STATIC]' -r
complete -c sideman -n "__fish_sideman_using_subcommand purge" -l media -d 'Like --static, for files that users uploaded, hardened [also: SIDEMAN_MEDIA]' -r
complete -c sideman -n "__fish_sideman_using_subcommand purge" -l accel -d 'Like --static, for files that only the application may send, by X-Accel-Redirect or X-Sendfile [also: SIDEMAN_ACCEL]' -r
complete -c sideman -n "__fish_sideman_using_subcommand purge" -l admin -d 'Address of the admin listener, or off [also: SIDEMAN_ADMIN] [default: 127.0.0.1:9180]' -r
complete -c sideman -n "__fish_sideman_using_subcommand purge" -l workers -d 'Number of worker threads [default: one for each core that may be used]' -r
complete -c sideman -n "__fish_sideman_using_subcommand purge" -l all -d 'Purge everything'
complete -c sideman -n "__fish_sideman_using_subcommand purge" -l soft -d 'Make the responses stale instead of removing them'
complete -c sideman -n "__fish_sideman_using_subcommand purge" -s h -l help -d 'Print help'
complete -c sideman -n "__fish_sideman_using_subcommand status" -l timeout -d 'How long the request may take' -r
complete -c sideman -n "__fish_sideman_using_subcommand status" -l config -d 'Settings file in TOML [also: SIDEMAN_CONFIG]' -r -F
complete -c sideman -n "__fish_sideman_using_subcommand status" -l listen -d 'Address for plain HTTP; may be repeated [also: SIDEMAN_LISTEN] [default: 0.0.0.0:8080]' -r
complete -c sideman -n "__fish_sideman_using_subcommand status" -l upstream -d 'Where the application listens; may be repeated: http://HOST:PORT, https://HOST:PORT, http+unix:/PATH, uwsgi://HOST:PORT or uwsgi+unix:/PATH [also: SIDEMAN_UPSTREAM]' -r
complete -c sideman -n "__fish_sideman_using_subcommand status" -l max-in-flight -d 'Maximum number of requests in flight at the application: its workers x threads; more are queued [also: SIDEMAN_MAX_IN_FLIGHT]' -r
complete -c sideman -n "__fish_sideman_using_subcommand status" -l static -d 'Serve the files of DIR below the URL prefix; may be repeated [also: SIDEMAN_STATIC]' -r
complete -c sideman -n "__fish_sideman_using_subcommand status" -l media -d 'Like --static, for files that users uploaded, hardened [also: SIDEMAN_MEDIA]' -r
complete -c sideman -n "__fish_sideman_using_subcommand status" -l accel -d 'Like --static, for files that only the application may send, by X-Accel-Redirect or X-Sendfile [also: SIDEMAN_ACCEL]' -r
complete -c sideman -n "__fish_sideman_using_subcommand status" -l admin -d 'Address of the admin listener, or off [also: SIDEMAN_ADMIN] [default: 127.0.0.1:9180]' -r
complete -c sideman -n "__fish_sideman_using_subcommand status" -l workers -d 'Number of worker threads [default: one for each core that may be used]' -r
complete -c sideman -n "__fish_sideman_using_subcommand status" -l json -d 'Print JSON'
complete -c sideman -n "__fish_sideman_using_subcommand status" -l watch -d 'Show the status again each second, until Ctrl-C'
complete -c sideman -n "__fish_sideman_using_subcommand status" -s h -l help -d 'Print help'
complete -c sideman -n "__fish_sideman_using_subcommand doctor" -l task-definition -d 'Check a task definition of Amazon ECS, in JSON' -r -F
complete -c sideman -n "__fish_sideman_using_subcommand doctor" -l compose -d 'Check a file of docker compose' -r -F
complete -c sideman -n "__fish_sideman_using_subcommand doctor" -l copilot -d 'Check a manifest of AWS Copilot' -r -F
complete -c sideman -n "__fish_sideman_using_subcommand doctor" -l host -d 'One of the site\'s names, for requests to the running process [default: one of the settings, or localhost]' -r
complete -c sideman -n "__fish_sideman_using_subcommand doctor" -l page -d 'Path of a page to look at, besides / and login pages; may be repeated' -r
complete -c sideman -n "__fish_sideman_using_subcommand doctor" -l timeout -d 'How long each request may take' -r
complete -c sideman -n "__fish_sideman_using_subcommand doctor" -l config -d 'Settings file in TOML [also: SIDEMAN_CONFIG]' -r -F
complete -c sideman -n "__fish_sideman_using_subcommand doctor" -l listen -d 'Address for plain HTTP; may be repeated [also: SIDEMAN_LISTEN] [default: 0.0.0.0:8080]' -r
complete -c sideman -n "__fish_sideman_using_subcommand doctor" -l upstream -d 'Where the application listens; may be repeated: http://HOST:PORT, https://HOST:PORT, http+unix:/PATH, uwsgi://HOST:PORT or uwsgi+unix:/PATH [also: SIDEMAN_UPSTREAM]' -r
complete -c sideman -n "__fish_sideman_using_subcommand doctor" -l max-in-flight -d 'Maximum number of requests in flight at the application: its workers x threads; more are queued [also: SIDEMAN_MAX_IN_FLIGHT]' -r
complete -c sideman -n "__fish_sideman_using_subcommand doctor" -l static -d 'Serve the files of DIR below the URL prefix; may be repeated [also: SIDEMAN_STATIC]' -r
complete -c sideman -n "__fish_sideman_using_subcommand doctor" -l media -d 'Like --static, for files that users uploaded, hardened [also: SIDEMAN_MEDIA]' -r
complete -c sideman -n "__fish_sideman_using_subcommand doctor" -l accel -d 'Like --static, for files that only the application may send, by X-Accel-Redirect or X-Sendfile [also: SIDEMAN_ACCEL]' -r
complete -c sideman -n "__fish_sideman_using_subcommand doctor" -l admin -d 'Address of the admin listener, or off [also: SIDEMAN_ADMIN] [default: 127.0.0.1:9180]' -r
complete -c sideman -n "__fish_sideman_using_subcommand doctor" -l workers -d 'Number of worker threads [default: one for each core that may be used]' -r
complete -c sideman -n "__fish_sideman_using_subcommand doctor" -l json -d 'Print JSON'
complete -c sideman -n "__fish_sideman_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c sideman -n "__fish_sideman_using_subcommand demo" -l listen -d 'Address of the site' -r
complete -c sideman -n "__fish_sideman_using_subcommand demo" -l admin -d 'Address of /metrics [default: 127.0.0.1:9180, or a free port if that is taken]' -r
complete -c sideman -n "__fish_sideman_using_subcommand demo" -s h -l help -d 'Print help'
complete -c sideman -n "__fish_sideman_using_subcommand import-nginx" -s h -l help -d 'Print help'
complete -c sideman -n "__fish_sideman_using_subcommand help; and not __fish_seen_subcommand_from run exec check healthcheck purge status doctor demo import-nginx help" -f -a "run" -d 'Serve static files and health checks, and forward all other requests to the application'
complete -c sideman -n "__fish_sideman_using_subcommand help; and not __fish_seen_subcommand_from run exec check healthcheck purge status doctor demo import-nginx help" -f -a "exec" -d 'Start the application, and serve in front of it as `run` does'
complete -c sideman -n "__fish_sideman_using_subcommand help; and not __fish_seen_subcommand_from run exec check healthcheck purge status doctor demo import-nginx help" -f -a "check" -d 'Check the settings that `run` would use, and print those that are set'
complete -c sideman -n "__fish_sideman_using_subcommand help; and not __fish_seen_subcommand_from run exec check healthcheck purge status doctor demo import-nginx help" -f -a "healthcheck" -d 'Check whether the running process is healthy: exit status 0 or 1'
complete -c sideman -n "__fish_sideman_using_subcommand help; and not __fish_seen_subcommand_from run exec check healthcheck purge status doctor demo import-nginx help" -f -a "purge" -d 'Purge stored responses from the cache of the running process'
complete -c sideman -n "__fish_sideman_using_subcommand help; and not __fish_seen_subcommand_from run exec check healthcheck purge status doctor demo import-nginx help" -f -a "status" -d 'Print the status of the running process'
complete -c sideman -n "__fish_sideman_using_subcommand help; and not __fish_seen_subcommand_from run exec check healthcheck purge status doctor demo import-nginx help" -f -a "doctor" -d 'Look for mistakes in the deployment: in a file, or beside the running process'
complete -c sideman -n "__fish_sideman_using_subcommand help; and not __fish_seen_subcommand_from run exec check healthcheck purge status doctor demo import-nginx help" -f -a "demo" -d 'Run a demonstration with a small built-in application'
complete -c sideman -n "__fish_sideman_using_subcommand help; and not __fish_seen_subcommand_from run exec check healthcheck purge status doctor demo import-nginx help" -f -a "import-nginx" -d 'Print the settings file for an nginx configuration'
complete -c sideman -n "__fish_sideman_using_subcommand help; and not __fish_seen_subcommand_from run exec check healthcheck purge status doctor demo import-nginx help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
