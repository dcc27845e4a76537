//! A view of Django as the auth server: it decides who gets files that Sideman sends.

use crate::{
    django::logged_in,
    support::{Django, Server, TempDir, USER, Wsgi},
};

#[test]
fn files_are_for_users_who_have_logged_in_to_django() {
    let Some(django) = Django::prepared() else { return };
    let directory = TempDir::new();
    directory.write("report.pdf", "numbers");
    for server in [Server::GunicornSync, Server::GunicornThreads, Server::GunicornAsgi] {
        let wsgi = Wsgi::start(server, django);
        let sideman = wsgi
            .settings()
            .route(
                "reports",
                &[
                    ("path", "/reports/"),
                    ("files", &directory.path().display().to_string()),
                    ("auth", &format!("{}/private/", wsgi.url())),
                ],
            )
            .start()
            .until_ready();
        let mut client = sideman.connect();
        for method in ["GET", "POST"] {
            let denied = client.ask(method, "/reports/report.pdf", "");
            // To the login page of Django, which names the view.
            let location = Some("/accounts/login/?next=/private/");
            assert_eq!((denied.status, denied.header("location")), (302, location), "{server:?}");
        }
        let cookies = format!("Cookie: {}\r\n", logged_in(&sideman));
        let file = client.ask("GET", "/reports/report.pdf", &cookies);
        assert_eq!((file.status, file.text()), (200, "numbers".into()), "{server:?}");
        let page = client.ask("GET", "/private/", &cookies);
        assert_eq!(page.text(), format!("hello {USER}\n"), "{server:?}");
        let forged = client.ask("GET", "/reports/report.pdf", "Cookie: sessionid=forged\r\n");
        assert_eq!(forged.status, 302, "{server:?}");
    }
}
