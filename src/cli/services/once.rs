//! What is asked for once in a run, however many keys want it at the same time.

use futures_util::lock::Mutex;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::rc::Rc;

/// Answers by what they are about; a failure is an answer, too, and not asked for again.
pub struct Once<K, V>(RefCell<HashMap<K, Cell<V>>>);

/// Locked by whoever asks, while the others wait.
type Cell<V> = Rc<Mutex<Option<V>>>;

impl<K, V> Default for Once<K, V> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<K: Eq + Hash, V: Clone> Once<K, V> {
    /// The answer about `key`: that of `ask`, unless there is one.
    pub async fn answer(&self, key: K, ask: impl Future<Output = V>) -> V {
        let cell = Rc::clone(self.0.borrow_mut().entry(key).or_default());
        let mut known = cell.lock().await;
        if let Some(answer) = &*known {
            return answer.clone();
        }
        let answer = ask.await;
        *known = Some(answer.clone());
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join;

    #[test]
    fn two_who_ask_at_once_ask_once() {
        let once = Once::default();
        let asked = std::cell::Cell::new(0);
        let ask = |key| {
            once.answer(key, async {
                tokio::task::yield_now().await;
                asked.set(asked.get() + 1);
                asked.get()
            })
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let answers = runtime
            .expect("a runtime")
            .block_on(async { (join(ask("a"), ask("a")).await, ask("b").await) });
        assert_eq!(answers, ((1, 1), 2));
    }
}
