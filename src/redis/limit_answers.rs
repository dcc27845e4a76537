//! Asks Redis about rate limits, over a connection of its own: purges may take longer than a request can wait.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Instant};

use tokio::{sync::mpsc, time::sleep};

use super::{
    connection::{REPLY_TIME, RedisConnection, checked},
    fault::RedisFault,
    limit_question::{LimitQuestion, LimitScript, answer, is_unknown_script},
    link_core::LinkCore,
    reconnect_pause::ReconnectPause,
};

/// How many questions are sent before their answers are read.
const MAX_BATCH: usize = 64;

/// The part of the link that asks.
#[derive(Debug)]
pub(super) struct LimitAnswers {
    core: Arc<LinkCore>,
    questions: mpsc::Receiver<LimitQuestion>,
    script: LimitScript,
}

// === impl LimitAnswers ===

impl LimitAnswers {
    pub(super) fn new(core: Arc<LinkCore>, questions: mpsc::Receiver<LimitQuestion>) -> Self {
        Self { core, questions, script: LimitScript::new() }
    }

    /// Connects when there is a first question, and again whenever there is one without a connection.
    pub(super) async fn run(mut self) -> Infallible {
        let mut pause = ReconnectPause::new();
        loop {
            let Some(first) = self.questions.recv().await else {
                return std::future::pending().await;
            };
            let began = Instant::now();
            let Err(fault) = self.session(first).await;
            self.core.set_answering(false);
            self.core.report_unanswered(&fault);
            // Those who wait are told by the end of their channels.
            while self.questions.try_recv().is_ok() {}
            sleep(pause.after(began)).await;
            self.core.set_answering(true);
        }
    }

    async fn session(&mut self, first: LimitQuestion) -> Result<Infallible, RedisFault> {
        let mut connection = self.core.connect().await?;
        let mut batch = VecDeque::from([first]);
        loop {
            while batch.len() < MAX_BATCH
                && let Ok(question) = self.questions.try_recv()
            {
                batch.push_back(question);
            }
            self.ask(&mut connection, &mut batch).await?;
            match self.questions.recv().await {
                Some(question) => batch.push_back(question),
                None => return std::future::pending().await,
            }
        }
    }

    /// Asks all, and answers them.
    async fn ask(
        &self,
        connection: &mut RedisConnection,
        batch: &mut VecDeque<LimitQuestion>,
    ) -> Result<(), RedisFault> {
        // Nobody waits any more for the others.
        batch.retain(|question| !question.answer.is_closed());
        let mut commands = Vec::new();
        for question in &*batch {
            self.script.push(&mut commands, question);
        }
        connection.send(&commands).await?;
        let mut unknown = VecDeque::new();
        while let Some(question) = batch.pop_front() {
            let reply = connection.reply(REPLY_TIME).await?;
            if is_unknown_script(&reply) {
                unknown.push_back(question);
                continue;
            }
            // The request may have gone on without it.
            let _ = question.answer.send(answer(&checked(reply)?)?);
        }
        for question in unknown {
            let mut command = Vec::new();
            LimitScript::push_whole(&mut command, &question);
            connection.send(&command).await?;
            let reply = checked(connection.reply(REPLY_TIME).await?)?;
            let _ = question.answer.send(answer(&reply)?);
        }
        Ok(())
    }
}
