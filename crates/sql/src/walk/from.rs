//! What stands in FROM, USING and JOIN.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    Alias, JoinExpr, JsonTable, JsonTableColumn, Node, RangeFunction, RangeTableFunc, RangeTableFuncCol,
    RangeVar,
};

use super::Walk;
use crate::name::{Name, strings};

impl Walk {
    pub(super) fn sources(&mut self, items: &[Node]) {
        for item in items {
            self.source(Some(item));
        }
    }

    pub(super) fn source(&mut self, item: Option<&Node>) {
        match item.and_then(|node| node.node.as_ref()) {
            Some(NodeEnum::RangeVar(relation)) => self.source_relation(relation),
            Some(NodeEnum::RangeSubselect(sub)) => {
                match sub.subquery.as_ref().and_then(|node| node.node.as_ref()) {
                    Some(NodeEnum::SelectStmt(select)) => self.select(select),
                    _ => self.unread(),
                }
                self.alias(sub.alias.as_ref(), None);
            }
            Some(NodeEnum::RangeFunction(function)) => self.source_function(function),
            Some(NodeEnum::JoinExpr(join)) => self.join(join),
            Some(NodeEnum::RangeTableSample(sample)) => {
                self.source(sample.relation.as_deref());
                self.call(&sample.method, 0);
                self.expressions(&sample.args);
                self.expression(sample.repeatable.as_deref());
            }
            Some(NodeEnum::RangeTableFunc(table)) => self.xml_table(table),
            Some(NodeEnum::JsonTable(table)) => self.json_table(table),
            _ => self.unread(),
        }
    }

    fn source_relation(&mut self, relation: &RangeVar) {
        let is_cte = relation.schemaname.is_empty()
            && self.ctes.iter().any(|cte| cte.name.as_ref() == relation.relname.as_str());
        if is_cte {
            let called = relation.alias.as_ref().map_or(relation.relname.as_str(), |a| a.aliasname.as_str());
            self.part().aliases.entry(called.into()).or_default().insert(None);
            self.renamed(relation.alias.as_ref());
        } else {
            self.reads(relation);
            self.stands_for(relation);
        }
    }

    /// Notes what a relation is called here.
    pub(super) fn stands_for(&mut self, relation: &RangeVar) {
        let name = Name::of_relation(relation);
        let called = relation.alias.as_ref().map_or(relation.relname.as_str(), |a| a.aliasname.as_str());
        self.part().aliases.entry(called.into()).or_default().insert(Some(name));
        self.renamed(relation.alias.as_ref());
    }

    fn alias(&mut self, alias: Option<&Alias>, name: Option<Name>) {
        if let Some(alias) = alias {
            self.part().aliases.entry(alias.aliasname.as_str().into()).or_default().insert(name);
            self.renamed(Some(alias));
        }
    }

    /// Columns under other names: no mention can be trusted any more.
    fn renamed(&mut self, alias: Option<&Alias>) {
        if alias.is_some_and(|alias| !alias.colnames.is_empty()) {
            self.mentions.everything = true;
        }
    }

    fn join(&mut self, join: &JoinExpr) {
        let JoinExpr {
            jointype: _,
            is_natural,
            larg,
            rarg,
            using_clause,
            join_using_alias,
            quals,
            alias,
            rtindex: _,
        } = join;
        self.source(larg.as_deref());
        self.source(rarg.as_deref());
        if *is_natural || !using_clause.is_empty() {
            self.operator("=");
        }
        for column in strings(using_clause) {
            self.mention(column);
        }
        self.alias(join_using_alias.as_ref(), None);
        self.alias(alias.as_ref(), None);
        self.expression(quals.as_deref());
    }

    fn source_function(&mut self, function: &RangeFunction) {
        let RangeFunction { lateral: _, ordinality: _, is_rowsfrom: _, functions, alias, coldeflist } =
            function;
        for item in functions {
            // Each item is a list of the call and, in ROWS FROM, its column definitions.
            match &item.node {
                Some(NodeEnum::List(list)) => {
                    for node in &list.items {
                        match &node.node {
                            Some(NodeEnum::List(columns)) => self.column_types(&columns.items),
                            Some(_) => {
                                self.expression(Some(node));
                                self.called(node);
                            }
                            None => {}
                        }
                    }
                }
                _ => self.unread(),
            }
        }
        self.column_types(coldeflist);
        // `FROM unnest(…) AS x(name)` gives names to what has none: nothing of a relation is renamed by it.
        if let Some(alias) = alias {
            self.part().aliases.entry(alias.aliasname.as_str().into()).or_default().insert(None);
        }
    }

    /// A function in FROM can be called by its own name when it has no alias.
    fn called(&mut self, node: &Node) {
        if let Some(NodeEnum::FuncCall(call)) = &node.node
            && let Some(name) = strings(&call.funcname).last()
        {
            self.part().aliases.entry((*name).into()).or_default().insert(None);
        }
    }

    fn column_types(&mut self, columns: &[Node]) {
        for column in columns {
            match &column.node {
                Some(NodeEnum::ColumnDef(column)) => self.type_name(column.type_name.as_ref()),
                None => {}
                Some(_) => self.unread(),
            }
        }
    }

    fn xml_table(&mut self, table: &RangeTableFunc) {
        let RangeTableFunc { lateral: _, docexpr, rowexpr, namespaces, columns, alias, location: _ } = table;
        self.expression(docexpr.as_deref());
        self.expression(rowexpr.as_deref());
        self.expressions(namespaces);
        for column in columns {
            match &column.node {
                Some(NodeEnum::RangeTableFuncCol(column)) => {
                    let RangeTableFuncCol {
                        colname: _,
                        type_name,
                        for_ordinality,
                        is_not_null: _,
                        colexpr,
                        coldefexpr,
                        location: _,
                    } = column.as_ref();
                    if !for_ordinality {
                        self.type_name(type_name.as_ref());
                    }
                    self.expression(colexpr.as_deref());
                    self.expression(coldefexpr.as_deref());
                }
                _ => self.unread(),
            }
        }
        self.alias(alias.as_ref(), None);
    }

    fn json_table(&mut self, table: &JsonTable) {
        let JsonTable { context_item, pathspec, passing, columns, on_error, alias, lateral: _, location: _ } =
            table;
        self.part().keyword_calls.insert("json_table");
        self.json_value(context_item.as_deref());
        if let Some(path) = pathspec {
            self.expression(path.string.as_deref());
        }
        self.expressions(passing);
        self.json_columns(columns);
        self.json_behavior(on_error.as_deref());
        self.alias(alias.as_ref(), None);
    }

    fn json_columns(&mut self, columns: &[Node]) {
        for column in columns {
            let Some(NodeEnum::JsonTableColumn(column)) = &column.node else {
                self.unread();
                continue;
            };
            let JsonTableColumn {
                coltype: _,
                name: _,
                type_name,
                pathspec,
                format: _,
                wrapper: _,
                quotes: _,
                columns,
                on_empty,
                on_error,
                location: _,
            } = column.as_ref();
            if type_name.is_some() {
                self.type_name(type_name.as_ref());
            }
            if let Some(path) = pathspec {
                self.expression(path.string.as_deref());
            }
            self.json_columns(columns);
            self.json_behavior(on_empty.as_deref());
            self.json_behavior(on_error.as_deref());
        }
    }
}
